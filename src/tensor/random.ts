/**
 * Numbers from one seed, drawn on the host, so that they are the same on every engine.
 *
 * TensorFlow.js draws on the device it computes on: `tf.randomNormal` differs between engines even
 * with a seed. The generator is a library's (pure-rand, xoroshiro128+).
 */
import { type RandomGenerator, unsafeUniformIntDistribution, xoroshiro128plus } from 'pure-rand';

/** The finalizer of MurmurHash3: two seeds that differ in one bit differ in about half of 32. */
const mixBits = (x: number): number => {
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return x ^ (x >>> 16);
};
/** First draws are discarded: the generator needs some steps to spread its seed over its state. */
const DISCARDED_DRAWS = 16;

export class SeededRandom {
  private readonly generator: RandomGenerator;
  /** Neighbouring seeds give unrelated numbers. @throws RangeError unless `seed` is whole. */
  constructor(seed: number) {
    if (!Number.isSafeInteger(seed))
      throw new RangeError(`SeededRandom: seed is ${seed}; give a whole number.`);
    const mixed = mixBits(seed) + Math.floor(seed / 2 ** 32) + 0x9e3779b9;
    this.generator = xoroshiro128plus(mixBits(mixed));
    for (let i = 0; i < DISCARDED_DRAWS; i++) this.uniform();
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

  /** Standard normal (Box and Muller). */
  normal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    return radius * Math.cos(2 * Math.PI * this.uniform());
  }

  uniforms(count: number, min = 0, max = 1): Float32Array {
    return Float32Array.from({ length: count }, () => min + (max - min) * this.uniform());
  }

  normals(count: number, mean = 0, standardDeviation = 1): Float32Array {
    return Float32Array.from({ length: count }, () => mean + standardDeviation * this.normal());
  }

  /** Orders `items` at random, in place (Fisher and Yates: every order is equally likely). */
  shuffle<T extends { length: number; [i: number]: number }>(items: T): T {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.integer(i + 1);
      [items[i], items[j]] = [items[j], items[i]];
    }
    return items;
  }
}

/**
 * One of many independent generators from one seed: for a row of a batch, an epoch of a run.
 * @throws RangeError unless both are whole numbers.
 */
export function seededStream(seed: number, index = 0): SeededRandom {
  for (const [name, n] of Object.entries({ seed, index })) {
    if (!Number.isSafeInteger(n))
      throw new RangeError(`seededStream: ${name} is ${n}; give a whole number.`);
  }
  return new SeededRandom(mixBits(seed) + index);
}
