/**
 * Measuring rivals fairly: in turns.
 *
 * A machine is never quiet, and a processor slows down as it warms up: whoever runs last looks
 * slow. So the rivals of one
 * row take turns, A B A B …, after a warm-up that nobody counts; each gets the median of its times,
 * and the ratio is taken
 * between medians of the same stretch of time.
 */
import * as tf from '@tensorflow/tfjs';
import type { EngineName } from '../../src/support/backends/use-engine';
import { readableBytes } from '../../src/support/figures/figure';
import { peakOf } from '../../src/tensor/ledger';

export interface Rival {
  name: string;
  /** One run. What it allocates is freed for it. */
  run: () => unknown;
  /**
   * Calls what it is given in the setting that this rival needs, such as other kernels. Setting up
   * is not timed.
   */
  within?: <T>(work: () => T) => T;
  /** Floating-point operations of one run, for the rate. */
  flops?: number;
  /** Tokens that one run takes in, for tokens/s. */
  tokens?: number;
  /**
   * Watch the ledger during one more run, and report the most bytes that were alive beyond what was
   * there before.
   */
  watchMemory?: boolean;
  /** Bytes that stay held, for a cache. Read after the runs. */
  heldBytes?: () => number;
}
export interface Row {
  name: string;
  /**
   * The first is the one whose ratio to the others is shown. Rivals may be left out where an engine
   * lacks them.
   */
  rivals: Rival[];
  /** Frees what the rivals share. */
  dispose?: () => void;
}
export interface Table {
  /** For `--only`. */
  name: string;
  title: string;
  /** What to look for, in a sentence or two. */
  note?: string;
  /** One maker per row, so that only one row's tensors are held at a time. */
  rows: (setting: Setting) => (() => Row)[];
  goals?: Goal[];
}
/** What we promised, as a number of the table. A goal whose rows were not run is left out. */
export interface Goal {
  says: string;
  /** @param ms the median of a rival in a row; NaN if it was not run. */
  value: (
    ms: (row: string, rival: string) => number,
    rate: (row: string, rival: string) => number,
  ) => number;
  atMost?: number;
  atLeast?: number;
}
export interface GoalResult {
  says: string;
  measured: number;
  met: boolean;
}
export interface Setting {
  quick: boolean;
  /** Models of a graphics card's size. */
  large?: boolean;
  engine: EngineName;
}

export interface Measured {
  rival: string;
  medianMs: number;
  runs: number;
  gigaflops?: number;
  tokensPerSecond?: number;
  peakBytes?: number;
  heldBytes?: number;
  /** Its time divided by the first rival's: how many times faster the first one is. */
  ratio: number;
}
export interface TableResult {
  name: string;
  title: string;
  note?: string;
  rows: { name: string; measured: Measured[] }[];
  goals: GoalResult[];
}

export function median(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError('median: no values; give one or more.');
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/**
 * A graphics card takes orders and computes later, in their order: reading something ordered last
 * waits for all before it.
 */
function settle(): void {
  if (!['wasm', 'cpu'].includes(tf.getBackend())) tf.ones([8]).add(1).dataSync();
}

/**
 * Times the rivals of one row in turns: `rounds` each, fewer for those that would take longer than
 * `budgetMs`.
 */
export function takeTurns(
  rivals: readonly Rival[],
  { rounds = 15, budgetMs = 5000 } = {},
): Measured[] {
  const once = ({ run, within = (work) => work() }: Rival) =>
    within(() => {
      const start = performance.now();
      tf.tidy(() => {
        run();
        settle();
      });
      return performance.now() - start;
    });
  // What takes long needs no second warm-up, and three rounds of a minute each would tell little
  // more than one.
  const warm = rivals.map((rival) => {
    const first = once(rival);
    return first > 10_000 ? first : Math.min(first, once(rival));
  });
  const turns = warm.map((ms) =>
    Math.max(ms > 10_000 ? 1 : 3, Math.min(rounds, Math.floor(budgetMs / ms))),
  );
  const times: number[][] = rivals.map(() => []);
  for (let round = 0; round < Math.max(...turns); round++)
    rivals.forEach((rival, i) => {
      if (round < turns[i]) times[i].push(once(rival));
    });
  const medians = times.map(median);
  return rivals.map((rival, i) => ({
    rival: rival.name,
    medianMs: medians[i],
    runs: times[i].length,
    ...(rival.flops === undefined ? {} : { gigaflops: rival.flops / medians[i] / 1e6 }),
    ...(rival.tokens === undefined ? {} : { tokensPerSecond: (1000 * rival.tokens) / medians[i] }),
    ...(rival.watchMemory
      ? { peakBytes: peakOf(() => tf.tidy(() => void rival.run())).needed.bytes }
      : {}),
    ...(rival.heldBytes ? { heldBytes: rival.heldBytes() } : {}),
    ratio: medians[i] / medians[0],
  }));
}

/** On a terminal, progress writes over itself; in a file, it is one line per row. */
const clearLine = '\r\x1b[K';

export async function runTable(
  table: Table,
  options: Setting & { progress?: { isTTY?: boolean; write(text: string): unknown } },
): Promise<TableResult> {
  const makers = table.rows(options);
  const rows: TableResult['rows'] = [];
  for (const [i, make] of makers.entries()) {
    const row = make();
    const progress = `${table.name} ${i + 1}/${makers.length}: ${row.name}`;
    options.progress?.write(options.progress.isTTY ? `${clearLine}${progress}` : `${progress}\n`);
    try {
      rows.push({
        name: row.name,
        measured: takeTurns(row.rivals, options.quick ? { rounds: 3, budgetMs: 500 } : {}),
      });
    } finally {
      row.dispose?.();
    }
    await tf.nextFrame();
  }
  if (options.progress?.isTTY) options.progress.write(clearLine);
  return {
    name: table.name,
    title: table.title,
    note: table.note,
    rows,
    goals: goalsOf(table, rows),
  };
}

export interface EngineTable extends TableResult {
  engine: EngineName;
}
/**
 * One table measured on several engines, one row per thing measured: the engines are now the
 * rivals.
 */
export function sideBySide(tables: readonly EngineTable[]): TableResult {
  const [first] = tables;
  if (!first) throw new RangeError('sideBySide: no tables; give one per engine.');
  const rows = first.rows.flatMap(({ name, measured }) =>
    measured.map(({ rival, medianMs: base }) => ({
      name: `${name}: ${rival}`,
      measured: tables.flatMap(({ engine, rows: theirs }) => {
        const found = theirs
          .find((row) => row.name === name)
          ?.measured.find((m) => m.rival === rival);
        return found ? [{ ...found, rival: engine, ratio: found.medianMs / base }] : [];
      }),
    })),
  );
  return {
    name: first.name,
    title: `${first.title}: ${tables.map(({ engine }) => engine).join(' against ')}`,
    rows,
    goals: [],
  };
}

/** What the goals come to, of those whose rows were run. */
export function goalsOf(
  { goals = [] }: Pick<Table, 'goals'>,
  rows: TableResult['rows'],
): GoalResult[] {
  const find = (row: string, rival: string) =>
    rows.find(({ name }) => name === row)?.measured.find((m) => m.rival === rival);
  return goals.flatMap(({ says, value, atMost = Infinity, atLeast = -Infinity }) => {
    const measured = value(
      (row, rival) => find(row, rival)?.medianMs ?? Number.NaN,
      (row, rival) => find(row, rival)?.gigaflops ?? Number.NaN,
    );
    return Number.isNaN(measured)
      ? []
      : [{ says, measured, met: measured <= atMost && measured >= atLeast }];
  });
}

const milliseconds = (ms: number) => `${ms >= 100 ? ms.toFixed(0) : ms.toPrecision(3)} ms`;

const rates = ({ gigaflops, tokensPerSecond }: Measured): string =>
  [
    ...(gigaflops === undefined ? [] : [`${gigaflops.toPrecision(3)} GFLOP/s`]),
    ...(tokensPerSecond === undefined
      ? []
      : [`${Math.round(tokensPerSecond).toLocaleString('en')} tokens/s`]),
  ].join(', ');
const memory = ({ peakBytes, heldBytes }: Measured): string =>
  [
    ...(peakBytes === undefined ? [] : [`peak ${readableBytes(peakBytes)}`]),
    ...(heldBytes === undefined ? [] : [`holds ${readableBytes(heldBytes)}`]),
  ].join(', ');
export const formatGoal = ({ says, measured, met }: GoalResult): string =>
  `  ${met ? '✓' : '✗ missed:'} ${says}: ${Number(measured.toPrecision(3))}`;

export function formatTable({ title, note, rows, goals }: TableResult): string {
  const cells = rows.flatMap(({ name, measured }) =>
    measured.map((m, i) => [
      i === 0 ? name : '',
      m.rival,
      milliseconds(m.medianMs),
      rates(m),
      memory(m),
      i === 0 ? '' : `× ${m.ratio.toPrecision(3)}`,
    ]),
  );
  const header = ['', '', 'median', 'rate', 'memory', 'time / first'];
  // A column that says nothing in this table is left out.
  const columns = header
    .map((_, column) => column)
    .filter((column) => column < 3 || cells.some((cell) => cell[column] !== ''));
  const widths = header.map((head, column) =>
    Math.max(head.length, ...cells.map((cell) => cell[column].length)),
  );
  const line = (cell: string[]) =>
    columns
      .map((i) => (i < 2 ? cell[i].padEnd(widths[i]) : cell[i].padStart(widths[i])))
      .join('  ')
      .trimEnd();
  return [
    title,
    ...(note ? [note] : []),
    line(header),
    ...cells.map(line),
    ...goals.map(formatGoal),
  ].join('\n');
}
