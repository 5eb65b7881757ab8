/** Plain arithmetic that several exercises share, and numbers for their cases. */

/** Irregular numbers between −1 and 1, the same on every machine. */
export const numbers = (count: number, seed: number): number[] =>
  Array.from({ length: count }, (_, i) => Math.sin(1.7 * seed + 2.3 * i + 0.41 * i * i));
/** The same as rows. */
export const rows = (count: number, width: number, seed: number): number[][] =>
  Array.from({ length: count }, (_, n) => numbers(width, seed + 7.3 * (n + 1)));

export const identity = [
  [1, 0],
  [0, 1],
];
export const exchange = [
  [0, 1],
  [1, 0],
];
export const zeros = [
  [0, 0],
  [0, 0],
];

/** A state that earlier tokens left. */
export const past = [
  [8, 0],
  [0, 8],
];

export const total = (list: number[]): number => list.reduce((a, b) => a + b, 0);
export const mean = (list: number[]): number => total(list) / list.length;
export const dot = (a: number[], b: number[]): number => total(a.map((x, i) => x * b[i]));
export const sigmoid = (z: number): number => 1 / (1 + Math.exp(-z));
export const softmax = (scores: number[], temperature = 1): number[] => {
  const largest = Math.max(...scores);
  const exps = scores.map((score) => Math.exp((score - largest) / temperature));
  const sum = total(exps);
  return exps.map((x) => x / sum);
};

export const transposed = (M: number[][]): number[][] =>
  (M[0] ?? []).map((_, j) => M.map((row) => row[j]));
export const zerosLike = (M: number[][]): number[][] => M.map((row) => row.map(() => 0));

/** Neighbours stay together: of four entries, two parts are [0, 1] and [2, 3]. */
export const inParts = <T>(list: T[], parts: number): T[][] => {
  const start = (part: number): number => (part * list.length) / parts;
  return Array.from({ length: parts }, (_, p) => list.slice(start(p), start(p + 1)));
};
/** Every so many entries, a common mistake: of four entries, two parts are [0, 2] and [1, 3]. */
export const inTurn = <T>(list: T[], parts: number): T[][] =>
  Array.from({ length: parts }, (_, p) => list.filter((_, i) => i % parts === p));
