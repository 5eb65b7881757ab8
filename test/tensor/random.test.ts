import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { unsafeUniformIntDistribution, xoroshiro128plus } from 'pure-rand';
import { describe, expect, it } from 'vitest';
import { useEngine } from '../../src/support/backends/use-engine';
import { SeededRandom } from '../../src/tensor/random';
import { normal } from '../helpers';

/** Seed 42, drawn in this order. */
const goldenUniforms = [0.7343118190765381, 0.1472407579421997, 0.13506627082824707];
const goldenIntegers = [435, 90, 211, 953];
const goldenNormals = [0.38941467144670505, -0.037645118308808595];

describe('numbers from one seed', () => {
  it('are these, on every machine and in every version', () => {
    const random = new SeededRandom(42);
    expect(goldenUniforms.map(() => random.uniform())).toEqual(goldenUniforms);
    expect(goldenIntegers.map(() => random.integer(1000))).toEqual(goldenIntegers);
    for (const want of goldenNormals) expect(random.normal()).toBeCloseTo(want, 12);
  });
  it('reach every engine unchanged', async () => {
    const drawn: number[][] = [];
    for (const engine of ['wasm', 'cpu'] as const) {
      await useEngine(engine);
      drawn.push(tf.tidy(() => Array.from(normal(new SeededRandom(7), [4, 5]).dataSync())));
    }
    expect(drawn[1]).toEqual(drawn[0]);
  });
  it('differ between seeds, and repeat for a seed', () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const [a, again, other] = [seed, seed, seed + 1].map((s) =>
          Array.from(new SeededRandom(s).uniforms(8)),
        );
        expect(again).toEqual(a);
        expect(other).not.toEqual(a);
      }),
    );
  });
  it('differ for seeds that differ only above their lower 32 bits', () => {
    const starts = [0, 1, 2, 2 ** 20].map((upper) => {
      const random = new SeededRandom(5 + upper * 2 ** 32);
      return [random.uniform(), random.uniform()].join();
    });
    expect(new Set(starts).size).toBe(starts.length);
  });
  it('neighbouring seeds begin unrelated: the first draws of seeds 0, 1, 2, … fill the range and do not follow each other', () => {
    const first = (draw: (random: SeededRandom) => number) =>
      Array.from({ length: 2000 }, (_, seed) => draw(new SeededRandom(seed)));
    const correlation = (xs: number[]) => {
      const mean = xs.reduce((a, b) => a + b, 0) / xs.length;
      const products = xs.slice(1).map((x, i) => (x - mean) * (xs[i] - mean));
      return products.reduce((a, b) => a + b, 0) / xs.reduce((a, x) => a + (x - mean) ** 2, 0);
    };
    const uniforms = first((random) => random.uniform());
    const mean = uniforms.reduce((a, b) => a + b, 0) / uniforms.length;
    expect(Math.abs(mean - 0.5)).toBeLessThan(5 * Math.sqrt(1 / 12 / 2000));
    expect(Math.abs(correlation(uniforms))).toBeLessThan(5 / Math.sqrt(2000));
    const bare = Array.from({ length: 2000 }, (_, seed) =>
      unsafeUniformIntDistribution(0, 2 ** 24 - 1, xoroshiro128plus(seed)),
    );
    // the bare generator's first draws climb with the seed
    expect(correlation(bare)).toBeGreaterThan(0.9);
  });
  it('uniform: a tenth of them in each tenth, exact in float32', () => {
    const random = new SeededRandom(1);
    const bins = new Array<number>(10).fill(0);
    for (let i = 0; i < 20_000; i++) {
      const x = random.uniform();
      expect(Math.fround(x)).toBe(x);
      bins[Math.floor(10 * x)]++;
    }
    // 2000 in each bin with a standard deviation of 42: five of them.
    for (const count of bins) expect(Math.abs(count - 2000)).toBeLessThan(5 * 42);
  });
  it('normal: mean 0, deviation 1, a third beyond one deviation', () => {
    const xs = Array.from(new SeededRandom(2).normals(20_000));
    const mean = xs.reduce((a, b) => a + b, 0) / xs.length;
    const variance = xs.reduce((a, b) => a + (b - mean) ** 2, 0) / xs.length;
    expect(Math.abs(mean)).toBeLessThan(5 / Math.sqrt(xs.length));
    expect(Math.abs(variance - 1)).toBeLessThan(5 * Math.sqrt(2 / xs.length));
    expect(xs.filter((x) => Math.abs(x) > 1).length / xs.length).toBeCloseTo(0.3173, 1);
  });
  it('uniforms and normals take a range, integers a bound', () => {
    const random = new SeededRandom(3);
    expect(Math.min(...random.uniforms(500, -2, 3))).toBeGreaterThanOrEqual(-2);
    expect(Math.max(...random.uniforms(500, -2, 3))).toBeLessThan(3);
    const faces = new Set(Array.from({ length: 500 }, () => random.integer(6)));
    expect([...faces].sort()).toEqual([0, 1, 2, 3, 4, 5]);
    expect(Array.from(random.normals(3, 5, 0))).toEqual([5, 5, 5]);
  });
  it('a seed or bound that is no whole number is refused', () => {
    expect(() => new SeededRandom(0.5)).toThrow('SeededRandom: seed is 0.5; give a whole number.');
    expect(() => new SeededRandom(1).integer(0)).toThrow(
      'SeededRandom.integer: below is 0; give 1 or more.',
    );
  });
});
