/**
 * What a student's process sends, read as a value: plain lists, records, numbers and strings. It
 * may
 * have been written by the student, so its depth is limited and each field is checked.
 */

export interface Answer {
  /** Of the request that is answered; absent if something was refused. */
  id?: number;
  /** What the function gave. */
  value?: unknown;
  /** The arguments after the call. */
  args?: unknown[];
  /** The message of what the function or the cell threw. */
  thrown?: string;
  /** There is no function of this name. */
  missing?: boolean;
  /** What Node's permission model did not allow. */
  refused?: string;
}

const DEEPEST = 40;
/** What a message cannot hold is sent as { "$": name }. */
const STAND_INS = new Map<unknown, unknown>([
  ['NaN', Number.NaN],
  ['Infinity', Infinity],
  ['-Infinity', -Infinity],
  ['undefined', undefined],
  ['promise', Promise.resolve()],
  ['tensor', { dataSync: true }],
  ['function', () => undefined],
  ['symbol', Symbol('of the student')],
  ['bigint', 0n],
]);

/** @throws Error if the line is no answer. */
export function readAnswer(line: string): Answer {
  const { id, value, args, thrown, missing, refused } = JSON.parse(line);
  const textOf = (x: unknown) => (x === undefined ? undefined : String(x).slice(0, 300));
  return {
    id: typeof id === 'number' ? id : undefined,
    value: decoded(value, 0),
    args: Array.isArray(args) ? args.map((arg) => decoded(arg, 0)) : undefined,
    thrown: textOf(thrown),
    missing: missing === true,
    refused: textOf(refused),
  };
}

function decoded(x: unknown, depth: number): unknown {
  if (depth > DEEPEST) throw new RangeError('The answer is nested too deeply.');
  if (typeof x !== 'object' || x === null) return x;
  if (Array.isArray(x)) return x.map((entry) => decoded(entry, depth + 1));
  if ('$' in x && STAND_INS.has(x.$)) return STAND_INS.get(x.$);
  // An entry called __proto__ stays an entry.
  return Object.fromEntries(Object.entries(x).map(([key, y]) => [key, decoded(y, depth + 1)]));
}
