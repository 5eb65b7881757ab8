/**
 * Assignment 4: an exact prefill for a model with windows above the middle, and its count.
 *
 * The model is small and in plain numbers, so that every layer-token is one call that the judge can
 * count. Its upper layers are of two kinds. A `cache` layer reads its own position and the memory
 * of the middle up to it; a `window` layer of size C reads the last C outputs of the layer below.
 */
import { judgeParts, type Part, type Report } from './judge';

export type Row = readonly number[];
/** An upper layer: the C of its window, or 'cache'. */
export type UpperLayer = number | 'cache';

const WIDTH = 3;
const dot = (a: Row, b: Row): number => a.reduce((sum, x, i) => sum + x * b[i], 0);

/** The mean of rows, weighted by how well they fit a query: attention without projections. */
function attend(query: Row, rows: readonly Row[]): number[] {
  const weights = rows.map((row) => Math.exp(dot(query, row)));
  const total = weights.reduce((a, b) => a + b);
  const mixed = new Array<number>(WIDTH).fill(0);
  for (const [m, row] of rows.entries()) {
    for (let i = 0; i < WIDTH; i++) mixed[i] += (weights[m] / total) * row[i];
  }
  return mixed;
}

/** What a layer adds, so that no two layers and no two features do the same. */
const changed = (x: Row, mixed: Row, layer: number): number[] =>
  x.map((y, i) => Math.tanh(y + mixed[i] + 0.1 * (layer + 1) * mixed[(i + 1) % WIDTH]));

/** A decoder: a lower half that every token runs through, and upper layers that are asked for. */
export class WindowedDecoder {
  /** Layer-tokens of the upper half: calls of `upper`. */
  upperCalls = 0;
  private memory: number[][] = [];

  constructor(
    readonly lowerLayers: number,
    /** From bottom to top. */
    readonly upperLayers: readonly UpperLayer[],
  ) {}

  /** Runs all tokens through the lower half: X of the middle, a row for each token. */
  lower(tokens: readonly number[]): number[][] {
    let state = new Array<number>(WIDTH).fill(0);
    this.memory = tokens.map((token) => {
      const embedded = Array.from({ length: WIDTH }, (_, i) => Math.sin(token + 2.1 * i * token));
      state = state.map((s, i) => 0.8 * s + embedded[i]);
      return embedded.map((x, i) => Math.tanh(x + state[i]));
    });
    return this.memory.map((row) => [...row]);
  }

  /**
   * One layer-token: the output of upper layer `layer`, counted from 0 at the bottom, at
   * `position`. `below` gives the output of the layer below (of the middle, for layer 0) at a
   * position; the layer asks it for those that it reads, from left to right, and no others.
   */
  upper(layer: number, position: number, below: (position: number) => Row): number[] {
    const kind = this.upperLayers[layer];
    if (kind === undefined) throw new RangeError(`there is no upper layer ${layer}`);
    if (!this.memory[position]) throw new RangeError(`there is no position ${position}`);
    this.upperCalls++;
    const readAt = (m: number): Row => {
      const row = below(m);
      if (Array.isArray(row) && row.length === WIDTH) return row;
      throw new RangeError(
        `layer ${layer} at position ${position} reads position ${m}, which is not there`,
      );
    };
    const own = readAt(position);
    if (kind === 'cache')
      return changed(own, attend(own, this.memory.slice(0, position + 1)), layer);
    const first = Math.max(0, position - kind + 1);
    const seen: Row[] = [];
    for (let m = first; m <= position; m++) seen.push(readAt(m));
    return changed(own, attend(own, seen), layer);
  }

  /** The full pass: every upper layer at every position. Not counted. */
  fullPass(tokens: readonly number[]): number[] {
    const before = this.upperCalls;
    let x = this.lower(tokens);
    for (const layer of this.upperLayers.keys()) {
      const below = x;
      x = tokens.map((_, n) => this.upper(layer, n, (m) => below[m]));
    }
    this.upperCalls = before;
    return x[x.length - 1];
  }
}

/** The output of the top layer at the last position, from `model.lower` and `model.upper` alone. */
export type ExactPrefill = (model: WindowedDecoder, tokens: readonly number[]) => Row;
/** Layer-tokens of that prefill, lower half included, by formula. */
export type CountPrefill = (
  tokens: number,
  lowerLayers: number,
  upperLayers: readonly UpperLayer[],
) => number;
export interface ExactPrefillWork {
  prefill: ExactPrefill;
  count: CountPrefill;
}

/** How many positions each upper layer must compute, from bottom to top. */
function positionsNeeded(
  upperLayers: readonly UpperLayer[],
  tokens: number,
  isCumulative = true,
): number[] {
  const needed: number[] = [];
  let above = 1;
  for (const kind of [...upperLayers].reverse()) {
    needed.unshift(above);
    const reach = kind === 'cache' ? 0 : kind - 1;
    above = Math.min(tokens, isCumulative ? above + reach : 1 + reach);
  }
  return needed;
}
const sum = (xs: readonly number[]): number => xs.reduce((a, b) => a + b, 0);

interface Case {
  name: string;
  tokens: number;
  upperLayers: UpperLayer[];
}
const yoco: Case = { name: 'YOCO', tokens: 20, upperLayers: ['cache', 'cache', 'cache'] };
const oneWindow: Case = { name: 'a window on top', tokens: 20, upperLayers: ['cache', 'cache', 4] };
const below: Case = {
  name: 'a window at the bottom',
  tokens: 20,
  upperLayers: [4, 'cache', 'cache'],
};
const several: Case[] = [
  { name: 'two windows', tokens: 30, upperLayers: ['cache', 4, 'cache', 4] },
  { name: 'different windows', tokens: 40, upperLayers: [6, 'cache', 3, 5] },
  { name: 'a window of 1', tokens: 12, upperLayers: ['cache', 1, 'cache', 2] },
];
const short: Case[] = [
  { name: 'a prompt shorter than the windows', tokens: 5, upperLayers: [8, 'cache', 8] },
  { name: 'a prompt of one token', tokens: 1, upperLayers: ['cache', 4, 4] },
];
const textOf = (tokens: number): number[] =>
  Array.from({ length: tokens }, (_, n) => (n * 7 + 3) % 11);

function runCase({ prefill }: ExactPrefillWork, { name, tokens, upperLayers }: Case) {
  const model = new WindowedDecoder(4, upperLayers);
  const text = textOf(tokens);
  const want = model.fullPass(text);
  const got = prefill(model, text);
  const calls = model.upperCalls;
  let wrong: string | undefined;
  if (!Array.isArray(got) || got.length !== WIDTH)
    wrong = `${name}: it gives ${got === undefined ? 'nothing' : 'no row of the top layer'}.`;
  else {
    const off = Math.max(...got.map((x: number, i: number) => Math.abs(x - want[i])));
    if (!(off < 1e-12)) {
      const about = off < 0.02 ? ' Close is not exact:' : '';
      wrong =
        `${name}: off by ${off.toPrecision(2)} from the full pass.${about} ` +
        'which outputs does the last position depend on, layer by layer?';
    }
  }
  return { calls, wrong, needed: positionsNeeded(upperLayers, tokens) };
}

/** Why the upper layer-tokens of a case are not as few as they can be. */
function tooMany(work: ExactPrefillWork, case_: Case): string | undefined {
  const { calls, wrong, needed } = runCase(work, case_);
  if (wrong) return wrong;
  const { name, tokens, upperLayers } = case_;
  const least = sum(needed);
  if (calls === least) return undefined;
  const said = `${name}: ${calls} upper layer-tokens, ${least} are enough. `;
  if (calls === tokens * upperLayers.length) return `${said}That is the full pass.`;
  if (
    calls === needed[0] * upperLayers.length ||
    calls === Math.max(...needed) * upperLayers.length
  )
    return `${said}All layers run on as many positions as the lowest; the higher need fewer.`;
  if (calls > tokens * upperLayers.length)
    return `${said}Some are computed several times: keep what a layer has given.`;
  return `${said}Which outputs of a layer does nobody read?`;
}

function countedWrong({ count }: ExactPrefillWork, { name, tokens, upperLayers }: Case) {
  const lowerLayers = 4;
  const got = count(tokens, lowerLayers, upperLayers);
  const upper = positionsNeeded(upperLayers, tokens);
  const want = lowerLayers * tokens + sum(upper);
  if (got === want) return undefined;
  const said = `${name}: ${got}, expected ${want}. `;
  const unlimited = sum(positionsNeeded(upperLayers, Infinity));
  const notAdded = sum(positionsNeeded(upperLayers, tokens, false));
  if (got === sum(upper)) return `${said}The lower half runs on every token, too.`;
  if (got === lowerLayers * tokens + unlimited)
    return `${said}More positions than the prompt has cannot be needed.`;
  if (got === lowerLayers * tokens + notAdded)
    return `${said}Windows add up: a layer must give what all layers above it reach back to.`;
  if (got === lowerLayers * tokens + upperLayers.length)
    return `${said}That is YOCO’s count. A window layer reads outputs of the layer below.`;
  return said.trim();
}

const first = (reasons: (string | undefined)[]): string | undefined => reasons.find(Boolean);

const parts: Part<ExactPrefillWork>[] = [
  {
    asks: 'without windows: the exact output, one position in each upper layer',
    points: 1,
    wrongBecause: (work) => tooMany(work, yoco),
  },
  {
    asks: 'one window on top: the exact output',
    points: 1,
    wrongBecause: (work) => runCase(work, oneWindow).wrong,
  },
  {
    asks: 'several windows: the exact output',
    points: 2,
    wrongBecause: (work) => first(several.map((case_) => runCase(work, case_).wrong)),
  },
  {
    asks: 'prompts shorter than the windows',
    points: 1,
    wrongBecause: (work) => first(short.map((case_) => runCase(work, case_).wrong)),
  },
  {
    asks: 'no layer-token more than needed',
    points: 3,
    wrongBecause: (work) =>
      first([oneWindow, below, ...several, ...short].map((case_) => tooMany(work, case_))),
  },
  {
    asks: 'the count by formula',
    points: 2,
    wrongBecause: (work) =>
      first(
        [yoco, oneWindow, below, ...several, ...short].map((case_) => countedWrong(work, case_)),
      ),
  },
];

/** Judges an exact prefill and its count: 10 points. */
export const examineExactPrefill = (work: ExactPrefillWork): Promise<Report> =>
  judgeParts('Assignment 4, an exact prefill', parts, work);

/** The same, printed. */
export async function judgeExactPrefill(work: ExactPrefillWork): Promise<void> {
  console.log((await examineExactPrefill(work)).text);
}
