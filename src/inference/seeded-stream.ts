/**
 * Many independent streams of numbers from one seed: one for each row of a batch, one for each epoch of a training run.
 *
 * A generator that starts from seed 7 and one that starts from seed 8 begin almost alike: their states differ in one bit.
 * Mixing the bits first (the finalizer of MurmurHash3) and letting the generator run a little drives them apart.
 */
import { SeededRandom } from '../engine/random';

const mix = (x: number): number => {
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return x ^ (x >>> 16);
};
const warmUp = 16;

/** Stream number `index` of `seed`. @throws RangeError unless both are whole numbers. */
export function seededStream(seed: number, index = 0): SeededRandom {
  for (const [name, n] of Object.entries({ seed, index }))
    if (!Number.isInteger(n)) throw new RangeError(`seededStream: ${name} is ${n}; give a whole number.`);
  const random = new SeededRandom(mix(mix(seed) + index + 0x9e3779b9));
  random.uniforms(warmUp);
  return random;
}
