import { describe, expect, it } from 'vitest';
import {
  type OneHead,
  recurrenceByDefinition,
  retentionByDefinition,
} from '../../src/retention/definition';
import { expectClose, SeededRandom } from '../helpers';

const ones = [[1], [1], [1], [1]];
const halves: OneHead = { q: ones, k: ones, v: ones, logDecay: Array(4).fill(Math.log(1 / 2)) };
/** float64 against float64. */
const float64 = { ofLargest: 1e-14, absolute: 1e-15 };

describe('the definition, in plain numbers', () => {
  it('of ones with gates of ½ is 1, 1½, 1¾, 1⅞', () => {
    expectClose(retentionByDefinition(halves), [[1], [1.5], [1.75], [1.875]], float64);
    const { output, state } = recurrenceByDefinition(halves);
    expectClose(output, [[1], [1.5], [1.75], [1.875]], float64);
    expectClose(state, [[1.875]], float64);
  });
  it('the sum over the past equals the recurrence', () => {
    const random = new SeededRandom(5);
    const rows = (n: number, d: number) =>
      Array.from({ length: n }, () => Array.from({ length: d }, () => random.normal()));
    const head: OneHead = {
      q: rows(24, 8),
      k: rows(24, 8),
      v: rows(24, 3),
      logDecay: Array.from({ length: 24 }, () => -random.uniform()),
    };
    expectClose(recurrenceByDefinition(head).output, retentionByDefinition(head), float64);
  });
  it('continues from a state, which the first gate decays', () => {
    const whole = recurrenceByDefinition(halves);
    const part = (from: number, to: number): OneHead => ({
      q: ones.slice(from, to),
      k: ones.slice(from, to),
      v: ones.slice(from, to),
      logDecay: halves.logDecay.slice(from, to),
    });
    const rest = recurrenceByDefinition(part(1, 4), recurrenceByDefinition(part(0, 1)).state);
    expectClose(rest.state, whole.state, float64);
    expectClose(rest.output, whole.output.slice(1), float64);
  });
  it('makes two common mistakes when asked to', () => {
    // Each token decays before it is read: everything is halved.
    expectClose(
      retentionByDefinition(halves, { from: 0 }),
      [[0.5], [0.75], [0.875], [0.9375]],
      float64,
    );
    // The gate of the token that reads is left out: the token before it has not decayed.
    expectClose(retentionByDefinition(halves, { to: -1 }), [[1], [2], [2.5], [2.75]], float64);
  });
  it('with a gate of exactly 0 forgets all that came before', () => {
    const reset = { ...halves, logDecay: [0, 0, Number.NEGATIVE_INFINITY, 0] };
    expectClose(retentionByDefinition(reset), [[1], [2], [1], [2]], float64);
    expectClose(recurrenceByDefinition(reset).output, [[1], [2], [1], [2]], float64);
  });
  it('does not change its inputs', () => {
    const state = [[1]];
    recurrenceByDefinition(halves, state);
    expect(state).toEqual([[1]]);
  });
});
