import { describe, expect, it } from 'vitest';
import { inStages, TextDataLoader } from '../../src/training/batches';

const tokens = Int32Array.from({ length: 103 }, (_, i) => i); // each token is its own position
const options = { batch: 3, context: 10, seed: 1 };

describe('batches of a text', () => {
  it('are windows of the text, and each target is the token after its input', () => {
    const loader = new TextDataLoader(tokens, options);
    for (let step = 0; step < 20; step++) {
      const { inputs, targets } = loader.at(step);
      expect(inputs.length).toBe(3);
      for (const [b, row] of inputs.entries()) {
        expect(row).toEqual(Array.from({ length: 10 }, (_, i) => row[0] + i));
        expect(targets[b]).toEqual(row.map((token) => token + 1));
      }
    }
  });
  it('take each window of an epoch once: 9 windows, 3 at a time, no token twice', () => {
    const loader = new TextDataLoader(tokens, options);
    const firsts = new Set<number>();
    const orders = new Set<string>();
    for (let epoch = 0; epoch < 5; epoch++) {
      const seen = [0, 1, 2].flatMap((i) => loader.at(3 * epoch + i).inputs.flat());
      expect(new Set(seen).size).toBe(90);
      const first = Math.min(...seen);
      firsts.add(first);
      orders.add(seen.map((token) => token - first).join());
    }
    expect(firsts.size, 'epochs begin at different positions').toBeGreaterThan(2);
    expect(orders.size, 'epochs have different orders').toBe(5);
  });
  it('depend on seed and step alone: asked in any order, they are the same', () => {
    const loader = new TextDataLoader(tokens, options);
    const inOrder = [0, 1, 2, 3, 4, 5, 6, 7].map((step) => loader.at(step));
    const other = new TextDataLoader(tokens, options);
    for (const step of [7, 2, 5, 0]) expect(other.at(step)).toEqual(inOrder[step]);
    expect(new TextDataLoader(tokens, { ...options, seed: 2 }).at(0)).not.toEqual(inOrder[0]);
  });
  it('work with a text of exactly one window; a shorter one is refused', () => {
    const loader = new TextDataLoader(tokens.slice(0, 11), { ...options, batch: 1 });
    expect(loader.at(4).targets).toEqual([[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]]);
    expect(() => new TextDataLoader(tokens.slice(0, 10), options)).toThrow(
      /has 10 tokens; give 11 or more for a context of 10/,
    );
    expect(() => new TextDataLoader(tokens, { ...options, batch: 0 })).toThrow(/batch is 0/);
  });
});

describe('stages', () => {
  it('follow each other, each from its own batch 0, and the last goes on', () => {
    const source = (name: number) => ({
      at: (step: number) => ({ inputs: [[name, step]], targets: [] }),
    });
    const stages = inStages([
      { source: source(1), steps: 2 },
      { source: source(2), steps: 1 },
      { source: source(3), steps: 1 },
    ]);
    const seen = [0, 1, 2, 3, 4].map((step) => stages.at(step).inputs[0]);
    expect(seen).toEqual([
      [1, 0],
      [1, 1],
      [2, 0],
      [3, 0],
      [3, 1],
    ]);
    expect(() => inStages([])).toThrow(/there are no stages/);
  });
});
