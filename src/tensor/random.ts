/**
 * Numbers from one seed, drawn on the host: every engine, and every notebook, sees the same ones.
 *
 * TensorFlow.js draws on the device it computes on, so `tf.randomNormal` differs between engines even with a seed.
 * The generator itself is a library's (pure-rand, xoroshiro128+); what we add is the shapes that models need.
 */
import { type RandomGenerator, unsafeUniformIntDistribution, xoroshiro128plus } from 'pure-rand';

/** The finalizer of MurmurHash3: seeds that differ in one bit leave it differing in about half of 32. */
export const mixBits = (x: number): number => {
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return x ^ (x >>> 16);
};
/** Draws thrown away: the generator writes its seed into a quarter of its state, and needs some steps to spread it. */
const warmUp = 16;

export class SeededRandom {
  private readonly generator: RandomGenerator;
  /** Seeds 7 and 8 give unrelated numbers from the first one on. @throws RangeError unless `seed` is a whole number. */
  constructor(seed: number) {
    if (!Number.isSafeInteger(seed))
      throw new RangeError(`SeededRandom: seed is ${seed}; give a whole number.`);
    this.generator = xoroshiro128plus(
      mixBits(mixBits(seed) + Math.floor(seed / 2 ** 32) + 0x9e3779b9),
    );
    for (let i = 0; i < warmUp; i++) this.uniform();
  }

  /** Uniform in [0, 1), in steps of 2^-24: each value is exact in float32. */
  uniform(): number {
    return unsafeUniformIntDistribution(0, 2 ** 24 - 1, this.generator) / 2 ** 24;
  }

  /** A whole number from 0 to `below` − 1. */
  integer(below: number): number {
    if (!Number.isInteger(below) || below < 1)
      throw new RangeError(`SeededRandom.integer: below is ${below}; give 1 or more.`);
    return unsafeUniformIntDistribution(0, below - 1, this.generator);
  }

  /** Standard normal (Box and Muller's pair, of which one is used). */
  normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.uniform())) * Math.cos(2 * Math.PI * this.uniform());
  }

  uniforms(count: number, min = 0, max = 1): Float32Array {
    return Float32Array.from({ length: count }, () => min + (max - min) * this.uniform());
  }

  normals(count: number, mean = 0, standardDeviation = 1): Float32Array {
    return Float32Array.from({ length: count }, () => mean + standardDeviation * this.normal());
  }
}
