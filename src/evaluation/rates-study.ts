/**
 * Which learning rate suits which kind? Two kinds that are trained with one rate are compared at
 * the rate that happens to suit one of them better, so each kind of the scaling study is first
 * trained at several, at a width of 32, with that study's budget. At a width of 64 one more run
 * tests the rule by which the rate falls with the width.
 *
 * A rate is the peak of the schedule at a width of 64; at other widths it is larger or smaller by
 * the root of 64/width.
 */
import { atWidth, fromName, type ScalingBudget, scalingBudget, trainOnBook } from './scaling-study';
import type { RunOf, Study } from './study';

/** Not every kind needs all: the best rate has to lie between a smaller and a larger one. */
export const triedRates = [4e-3, 8e-3, 16e-3, 32e-3] as const;
export const ratesSettings = scalingBudget;
const yoco = 'YOCO, gated retention';

/** `loss` of the held-out text in nats per character. */
export type RatesRun = RunOf<typeof ratesStudy>;

/** The name of a kind at a width and a rate: `Transformer, 32 wide, rate 0.004`. */
export const atRate = (kind: string, dim: number, rate: number): string =>
  `${atWidth(kind, dim)}, rate ${rate}`;

/** The parts of a name that `atRate` made. @throws RangeError for other names. */
export function fromRateName(name: string): { kind: string; dim: number; rate: number } {
  const [, model, rate] = /^(.* wide), rate ([\d.]+)$/.exec(name) ?? [];
  if (model === undefined)
    throw new RangeError(
      `"${name}" is no kind at a rate; give one like Transformer, 32 wide, rate 0.004.`,
    );
  return { ...fromName(model), rate: Number(rate) };
}

export const ratesStudy = {
  name: 'rates',
  about: 'loss at several learning rates, for each kind of the scaling study',
  kinds: [
    ...[8e-3, 16e-3, 32e-3].map((rate) => atRate('Transformer', 32, rate)),
    ...[4e-3, 8e-3, 16e-3].map((rate) => atRate(yoco, 32, rate)),
    atRate('Transformer', 64, 8e-3),
  ],
  settings: ratesSettings,
  run(name, seed, settings, onStep?) {
    const { kind, dim, rate: rateAt64 } = fromRateName(name);
    return trainOnBook({ kind, dim, rateAt64 }, seed, settings, onStep);
  },
} satisfies Study<ScalingBudget>;
