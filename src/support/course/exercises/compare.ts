/** Compares what a reader's function gave with what was expected, and says the difference in words. */

const isList = (x: unknown): x is ArrayLike<unknown> =>
  Array.isArray(x) || (ArrayBuffer.isView(x) && !(x instanceof DataView));
const isRecord = (x: unknown): x is Record<string, unknown> =>
  typeof x === 'object' && x !== null && !isList(x);
/** Sums in another order, or float32 on the way: this much of the largest number. */
const ALLOWED = 1e-6;

/** "a list of 3 lists of 2", "a number", "an object with k, v". */
export function describeShape(x: unknown): string {
  if (x === undefined) return 'undefined';
  if (x === null) return 'null';
  if (isList(x))
    return x.length === 0
      ? 'an empty list'
      : `a list of ${x.length}${isList(x[0]) ? ` × ${describeShape(x[0]).replace('a list of ', '')}` : ''}`;
  if (x instanceof Promise) return 'a promise';
  if (isRecord(x))
    return 'dataSync' in x
      ? 'a tensor'
      : `an object with ${Object.keys(x).join(', ') || 'nothing in it'}`;
  return `a ${typeof x}`;
}

/** Whole numbers whole, others with so many digits. */
export const digits = (x: number, count = 4): string =>
  Number.isFinite(x) && !Number.isSafeInteger(x) ? String(Number(x.toPrecision(count))) : String(x);

/** Four digits, or as many as it takes to tell the two apart. */
export function apart(a: number, b: number): [string, string] {
  for (const count of [4, 6, 9]) {
    const [x, y] = [digits(a, count), digits(b, count)];
    if (x !== y) return [x, y];
  }
  return [String(a), String(b)];
}

interface Worst {
  at: string;
  got: number;
  want: number;
  off: number;
}
class Finding extends Error {}

/** `undefined` if they are equal up to rounding; else one sentence about the first wrong shape or the worst element. */
export function difference(got: unknown, want: unknown, name = 'result'): string | undefined {
  const largest = Math.max(
    1e-9,
    ...numbersIn(want).map((x) => (Number.isFinite(x) ? Math.abs(x) : 0)),
  );
  const seen = { worst: undefined as Worst | undefined, wrong: 0, of: 0 };
  const walk = (a: unknown, b: unknown, at: string): void => {
    if (typeof b === 'number' && typeof a === 'number') {
      seen.of++;
      if (Number.isNaN(a)) throw new Finding(`${at} is NaN, expected ${digits(b)}`);
      const off = a === b ? 0 : Math.abs(a - b);
      if (off <= ALLOWED * largest) return;
      seen.wrong++;
      if (!seen.worst || off > seen.worst.off) seen.worst = { at, got: a, want: b, off };
    } else if (isList(b) && isList(a)) {
      if (a.length !== b.length)
        throw new Finding(
          `${at} has ${a.length} ${a.length === 1 ? 'entry' : 'entries'}, expected ${b.length}`,
        );
      for (let i = 0; i < b.length; i++) walk(a[i], b[i], `${at}[${i}]`);
    } else if (isRecord(b) && isRecord(a) && !(a instanceof Promise)) {
      for (const key of Object.keys(b)) {
        if (!(key in a)) throw new Finding(`${at} is ${describeShape(a)}, but ${key} is missing`);
        walk(a[key], b[key], name === 'result' && at === name ? key : `${at}.${key}`);
      }
    } else if (a !== b) {
      const sayable = typeof a === typeof b;
      throw new Finding(
        `${at} is ${sayable ? JSON.stringify(a) : describeShape(a)}, expected ${sayable ? JSON.stringify(b) : describeShape(b)}`,
      );
    }
  };
  try {
    walk(got, want, name);
  } catch (error) {
    if (error instanceof Finding) return error.message;
    throw error;
  }
  if (!seen.worst) return undefined;
  const { at, got: a, want: b } = seen.worst;
  const [x, y] = apart(a, b);
  return `${at} is ${x}, expected ${y}${seen.of > 1 ? ` (the worst; ${seen.wrong} of ${seen.of} numbers differ)` : ''}`;
}

/** Equal in shape and in every number up to rounding; here NaN equals NaN, because two functions can be wrong alike. */
export function alike(a: unknown, b: unknown): boolean {
  if (typeof a === 'number' && typeof b === 'number')
    return Object.is(a, b) || Math.abs(a - b) <= ALLOWED * Math.max(1, Math.abs(b));
  if (isList(a) && isList(b))
    return a.length === b.length && Array.from(a).every((x, i) => alike(x, b[i]));
  if (isRecord(a) && isRecord(b)) return Object.keys(b).every((key) => alike(a[key], b[key]));
  return a === b;
}

/** Every number in a result, in order. */
export function numbersIn(x: unknown): number[] {
  if (typeof x === 'number') return [x];
  if (isList(x)) return Array.from(x).flatMap(numbersIn);
  return isRecord(x) ? Object.values(x).flatMap(numbersIn) : [];
}

/** A deep copy of plain values: each run gets its own, so that a function that writes into its inputs spoils nothing. */
export function copied<T>(x: T): T {
  return typeof x === 'function' ? x : structuredClone(x);
}
