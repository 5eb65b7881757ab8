/** Many independent streams of numbers from one seed: one for each row of a batch, one for each epoch of a training run. */
import { mixBits, SeededRandom } from '../tensor/random';

/** Stream number `index` of `seed`. @throws RangeError unless both are whole numbers. */
export function seededStream(seed: number, index = 0): SeededRandom {
  for (const [name, n] of Object.entries({ seed, index }))
    if (!Number.isSafeInteger(n))
      throw new RangeError(`seededStream: ${name} is ${n}; give a whole number.`);
  return new SeededRandom(mixBits(seed) + index);
}
