/** Compares a reader's result with the expected one, and says in words how they differ. */

const isList = (x: unknown): x is ArrayLike<unknown> =>
  Array.isArray(x) || (ArrayBuffer.isView(x) && !(x instanceof DataView));
const isRecord = (x: unknown): x is Record<string, unknown> =>
  typeof x === 'object' && x !== null && !isList(x);
/** Difference allowed, of the largest number: sums in another order, or float32 on the way. */
const ALLOWED = 1e-6;

/** "a list of 3 × 2", "a number", "an object with k, v". */
export function describeShape(x: unknown): string {
  if (x === undefined || x === null) return String(x);
  if (isList(x)) {
    if (x.length === 0) return 'an empty list';
    const inner = isList(x[0]) ? ` × ${describeShape(x[0]).replace('a list of ', '')}` : '';
    return `a list of ${x.length}${inner}`;
  }
  if (x instanceof Promise) return 'a promise';
  if (!isRecord(x)) return `a ${typeof x}`;
  if ('dataSync' in x) return 'a tensor';
  return `an object with ${Object.keys(x).join(', ') || 'nothing in it'}`;
}

/** Whole numbers in full, others with so many significant digits. */
export const digits = (x: number, count = 4): string =>
  Number.isFinite(x) && !Number.isSafeInteger(x) ? String(Number(x.toPrecision(count))) : String(x);

/** Four significant digits, or as many as it takes to tell the two apart. */
function apart(a: number, b: number): [string, string] {
  for (const count of [4, 6, 9]) {
    const [x, y] = [digits(a, count), digits(b, count)];
    if (x !== y) return [x, y];
  }
  return [String(a), String(b)];
}

/** Ends a comparison: numbers behind a wrong shape say nothing more. */
class WrongShape extends Error {}

class Comparison {
  private compared = 0;
  private wrong = 0;
  private worst?: { at: string; got: number; want: number; off: number };
  constructor(private readonly allowed: number) {}

  /** @throws WrongShape */
  walk(got: unknown, want: unknown, at: string): void {
    if (typeof want === 'number' && typeof got === 'number') {
      this.compareNumbers(got, want, at);
    } else if (isList(want) && isList(got)) {
      if (got.length !== want.length) {
        const entries = got.length === 1 ? 'entry' : 'entries';
        throw new WrongShape(`${at} has ${got.length} ${entries}, expected ${want.length}`);
      }
      for (let i = 0; i < want.length; i++) this.walk(got[i], want[i], `${at}[${i}]`);
    } else if (isRecord(want) && isRecord(got) && !(got instanceof Promise)) {
      for (const key of Object.keys(want)) {
        if (!(key in got)) {
          throw new WrongShape(`${at} is ${describeShape(got)}, but ${key} is missing`);
        }
        this.walk(got[key], want[key], at === 'result' ? key : `${at}.${key}`);
      }
    } else if (got !== want) {
      const inWords = (x: unknown): string =>
        typeof got === typeof want ? JSON.stringify(x) : describeShape(x);
      throw new WrongShape(`${at} is ${inWords(got)}, expected ${inWords(want)}`);
    }
  }

  private compareNumbers(got: number, want: number, at: string): void {
    this.compared++;
    if (Number.isNaN(got)) throw new WrongShape(`${at} is NaN, expected ${digits(want)}`);
    const off = got === want ? 0 : Math.abs(got - want);
    if (off <= this.allowed) return;
    this.wrong++;
    if (!this.worst || off > this.worst.off) this.worst = { at, got, want, off };
  }

  sentence(): string | undefined {
    if (!this.worst) return undefined;
    const [got, want] = apart(this.worst.got, this.worst.want);
    const others =
      this.compared > 1 ? ` (the worst; ${this.wrong} of ${this.compared} numbers differ)` : '';
    return `${this.worst.at} is ${got}, expected ${want}${others}`;
  }
}

/** Undefined if equal up to rounding; else a sentence about a wrong shape or the worst element. */
export function difference(got: unknown, want: unknown): string | undefined {
  let largest = 1e-9;
  for (const x of numbersIn(want)) {
    if (Number.isFinite(x)) largest = Math.max(largest, Math.abs(x));
  }
  const comparison = new Comparison(ALLOWED * largest);
  try {
    comparison.walk(got, want, 'result');
  } catch (error) {
    if (error instanceof WrongShape) return error.message;
    throw error;
  }
  return comparison.sentence();
}

/** Equal up to rounding. NaN equals NaN here: two functions can be wrong alike. */
export function alike(a: unknown, b: unknown): boolean {
  if (typeof a === 'number' && typeof b === 'number') {
    return Object.is(a, b) || Math.abs(a - b) <= ALLOWED * Math.max(1, Math.abs(b));
  }
  if (isList(a) && isList(b)) {
    return a.length === b.length && Array.from(a).every((x, i) => alike(x, b[i]));
  }
  if (isRecord(a) && isRecord(b)) return Object.keys(b).every((key) => alike(a[key], b[key]));
  return a === b;
}

/** The same lists and keys, whatever numbers are in them, but no NaN. */
export function sameShape(a: unknown, b: unknown): boolean {
  if (isList(a) && isList(b)) {
    return a.length === b.length && Array.from(a).every((x, i) => sameShape(x, b[i]));
  }
  if (isRecord(a) && isRecord(b)) return Object.keys(b).every((key) => sameShape(a[key], b[key]));
  return typeof a === typeof b && !Number.isNaN(a);
}

/** Every number in a result, in order. */
export function numbersIn(x: unknown): number[] {
  if (typeof x === 'number') return [x];
  if (isList(x)) return Array.from(x).flatMap(numbersIn);
  return isRecord(x) ? Object.values(x).flatMap(numbersIn) : [];
}
