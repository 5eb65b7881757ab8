/** The judges of the assignments: the solution gets all points, wrong answers get reasons. */

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import ts from 'typescript';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import * as index from '../../../src/index';
import * as retentionForm from '../../../src/retention/retention-form';
import * as backward from '../../../src/support/course/assignments/1-chunkwise-backward';
import * as eightBit from '../../../src/support/course/assignments/3-eight-bit-cache';
import * as exactPrefill from '../../../src/support/course/assignments/4-exact-prefill';
import { isClose, judgeParts, type Report } from '../../../src/support/course/assignments/judge';
import { codeOf, readNotebook, sourceOf } from '../../../src/support/notebook/notebook-file';
import { root } from '../../../src/support/notebook/python-environment';
import { useTestEngine } from '../../helpers';

beforeAll(useTestEngine);
const minute = 60_000;

const home = './src/support/course/assignments';
/** What the cells may import; a cell finds nothing else. */
const modules: Record<string, unknown> = {
  '@tensorflow/tfjs': tf,
  './src/index': index,
  './src/retention/retention-form': retentionForm,
  [`${home}/1-chunkwise-backward`]: backward,
  [`${home}/3-eight-bit-cache`]: eightBit,
  [`${home}/4-exact-prefill`]: exactPrefill,
};

/** Functions and classes of a notebook's cells, without running what they call. */
function declaredIn<Found>(folder: string, name: string, wanted: string[]): Found {
  const path = join(root, 'notebooks', folder, `${name}.ipynb`);
  const declares = /^(import|function|class|const \w+ = \(|async function|type|interface|\/\*\*)/;
  const cells = codeOf(readNotebook(path)).filter((cell) => declares.test(cell));
  const text = `${cells.join('\n')}\nexport const found = { ${wanted.join(', ')} };`;
  const compilerOptions = { module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2022 };
  const { outputText } = ts.transpileModule(text, { compilerOptions });
  const exports: { found?: Found } = {};
  const required = (from: string): unknown => {
    if (from in modules) return modules[from];
    throw new Error(`${path} imports ${from}, which the test does not know`);
  };
  new Function('require', 'exports', outputText)(required, exports);
  return exports.found!;
}

const failed = ({ parts }: Report): string[] =>
  parts.filter(({ reason }) => reason).map(({ asks, reason }) => `${asks}: ${reason}`);

/** The points of the judge that the notebook's table names: rows without "by a person". */
function pointsInRubric(folder: string, name: string): number {
  const { cells } = readNotebook(join(root, 'notebooks', folder, `${name}.ipynb`));
  let points = 0;
  for (const row of cells
    .map(sourceOf)
    .join('\n')
    .matchAll(/^\| (?!\*\*)(.*) \| ([\d+ ]+) \|$/gm))
    for (const part of row[2].split('+')) points += Number(part);
  return points;
}

describe('what the judges share', () => {
  it('a part that throws costs its own points only, and is told from one not begun', async () => {
    const report = await judgeParts(
      'made',
      [
        { asks: 'stub', points: 1, wrongBecause: () => fail('not yet') },
        { asks: 'broken', points: 2, wrongBecause: async () => fail('x is undefined') },
        { asks: 'right', points: 3, wrongBecause: () => undefined },
      ],
      undefined,
    );
    expect(report).toMatchObject({ points: 3, of: 6 });
    expect(failed(report)).toEqual([
      'stub: Not begun: it says "not yet".',
      'broken: It threw "x is undefined".',
    ]);
    expect(report.text).toContain('made: 3 of 6 points');
    function fail(message: string): never {
      throw new Error(message);
    }
  });
  it('tensors that a submission leaves are freed', async () => {
    const before = tf.memory().numTensors;
    const leaking = { asks: 'x', points: 1, wrongBecause: () => void tf.ones([3]) };
    await judgeParts('made', [leaking], undefined);
    expect(tf.memory().numTensors).toBe(before);
  });
  it('NaN and a number that is off are not close', () => {
    expect(isClose([1, 2], [1, 2])).toBe(true);
    expect(isClose([1, Number.NaN], [1, 2])).toBe(false);
    expect(isClose([1, 2.001], [1, 2])).toBe(false);
  });
});

it('each assignment has a solution, a stub that is not begun, and a rubric', () => {
  const assignments = readdirSync(join(root, 'notebooks', 'assignments'));
  const names = assignments.filter((name) => name.endsWith('.ipynb'));
  const solutions = readdirSync(join(root, 'notebooks', 'solutions', 'assignments'));
  expect(names.length).toBeGreaterThanOrEqual(3);
  expect(solutions.filter((name) => name.endsWith('.ipynb'))).toEqual(names);
});

describe('1, the chunkwise backward', () => {
  type Backward = backward.ChunkwiseBackward;
  const judge = backward.examineBackward;
  const name = '1-chunkwise-backward';
  const solved = (folder: string): Backward =>
    declaredIn<{ chunkwiseBackward: Backward }>(folder, name, ['chunkwiseBackward'])
      .chunkwiseBackward;
  const right: Backward = (...given) => solved('solutions/assignments')(...given);

  it('the solution gets all points; the stub none', { timeout: minute }, async () => {
    const report = await judge(solved('solutions/assignments'));
    expect(failed(report)).toEqual([]);
    expect(report.of).toBe(pointsInRubric('assignments', name));
    const stub = await judge(solved('assignments'));
    expect(stub.points).toBe(0);
    expect(stub.text.match(/Not begun/g)).toHaveLength(stub.parts.length);
  });

  /** The right gradients of each chunk by itself. */
  const aloneInChunks: Backward = ({ q, k, v, logDecay }, dOutput, chunkSize) =>
    tf.tidy(() => {
      const split = <T extends tf.Tensor>(x: T) => retentionForm.splitTime(x, chunkSize);
      const dO = split(dOutput);
      const [Q, K, V, g] = [split(q), split(k), split(v), split(logDecay)];
      const ofChunks = dO.map((d, i) =>
        right({ q: Q[i], k: K[i], v: V[i], logDecay: g[i] }, d, chunkSize),
      );
      const join = <T extends tf.Tensor>(parts: T[]): T => tf.concat(parts, 2);
      return {
        q: join(ofChunks.map((part) => part.q)),
        k: join(ofChunks.map((part) => part.k)),
        v: join(ofChunks.map((part) => part.v)),
        logDecay: join(ofChunks.map((part) => part.logDecay)),
      };
    });
  const changed =
    (change: (g: backward.InputGradients, given: Parameters<Backward>) => object): Backward =>
    (...given) =>
      tf.tidy(() => ({ ...right(...given), ...change(right(...given), given) }));
  const tokenTerms = (g: backward.InputGradients, [{ q, k }]: Parameters<Backward>) =>
    q.mul(g.q).sub(k.mul(g.k)).sum(3) as tf.Tensor3D;

  it.each<[string, Backward, RegExp[], number]>([
    [
      'nothing crosses a chunk',
      aloneInChunks,
      [/dQ: the state before a chunk is not read/, /dK: the state before a chunk is not read/],
      6,
    ],
    [
      'no decay',
      ({ logDecay, ...given }, d, c) =>
        tf.tidy(() => right({ ...given, logDecay: tf.zerosLike(logDecay) }, d, c)),
      [/dV: the decay is missing/, /dQ: the decay is missing/],
      2,
    ],
    [
      'the gate’s sum leaves the token out',
      changed((g, given) => ({ logDecay: tf.cumsum(tokenTerms(g, given), 2, true, true) })),
      [/d ln γ: token n is left out/],
      8,
    ],
    [
      'the gate’s sum from the left',
      changed((g, given) => ({ logDecay: tf.cumsum(tokenTerms(g, given), 2) })),
      [/d ln γ: the sum runs from the left/],
      8,
    ],
    [
      'the gate’s sum begins anew in each chunk',
      changed((g, given) => ({
        logDecay: tf.concat(
          retentionForm
            .splitTime(tokenTerms(g, given), given[2])
            .map((part) => tf.cumsum(part, 2, false, true)),
          2,
        ),
      })),
      [/d ln γ: the sum begins anew in each chunk/],
      9,
    ],
    ['a sign', changed((g) => ({ q: g.q.neg() })), [/dQ: every number has the wrong sign/], 8],
    [
      'a matrix of all tokens, by automatic differentiation',
      (inputs, dOutput) => tf.tidy(() => backward.byDifferentiation({ inputs, dOutput })),
      [/a tensor of 262144 numbers was made for 512 tokens/],
      11,
    ],
    [
      'tensors that stay',
      (...given) => {
        tf.keep(tf.ones([2]));
        return right(...given);
      },
      [/5 tensors remain after one call, expected 4/],
      11,
    ],
    [
      'a shape',
      changed((g) => ({ v: g.v.reshape([-1]) })),
      [/dV has shape \[12\], expected \[1,1,4,3\]/],
      7,
    ],
    ['nothing', (() => undefined) as never, [/It returns undefined; return \{ q, k, v/], 1],
  ])('%s', { timeout: minute }, async (_, wrong, reasons, most) => {
    const report = await judge(wrong);
    for (const reason of reasons) expect(report.text).toMatch(reason);
    expect(report.points).toBeLessThanOrEqual(most);
    expect(report.points).toBeLessThan(report.of);
  });
});

describe('3, a cache in 8 bits', { timeout: minute }, () => {
  const name = '3-eight-bit-cache';
  type NewCache = eightBit.NewEightBitCache;
  let model: index.Yoco;
  let text: number[];
  beforeAll(() => {
    const loaded = index.loadModel('notebooks/models/yoco');
    model = loaded.model as index.Yoco;
    const heldOut = index.splitText(index.readCorpus().text).validation;
    text = Array.from(loaded.tokenizer.encode(heldOut.slice(0, 200)));
  });
  const { EightBitCache: Right } = declaredIn<{ EightBitCache: NewCache }>(
    'solutions/assignments',
    name,
    ['EightBitCache'],
  );
  const reportOf = (newCache: NewCache): eightBit.EightBitReport => {
    const float = eightBit.measureGlobalCache(model, text);
    const eight = eightBit.measureGlobalCache(model, text, newCache);
    return {
      lossFloat: float.loss,
      loss8: eight.loss,
      bytesFloat: float.bytes,
      bytes8: eight.bytes,
    };
  };
  const judge = (newCache: NewCache, report = reportOf(newCache)) =>
    eightBit.examineEightBitCache(model, text, { newCache, report });

  it('the solution gets all points, and takes 28 of 96 bytes a row', async () => {
    const report = reportOf(Right);
    expect(failed(await judge(Right, report))).toEqual([]);
    expect(report.bytes8 / report.bytesFloat).toBeCloseTo(28 / 96, 12);
    expect(Math.abs(report.loss8 - report.lossFloat)).toBeLessThan(0.01);
    expect((await judge(Right)).of).toBe(pointsInRubric('assignments', name));
  });
  it('the stub is not begun', async () => {
    const stub = declaredIn<{ EightBitCache: NewCache }>('assignments', name, ['EightBitCache']);
    const work = { newCache: stub.EightBitCache, report: undefined };
    const report = await eightBit.examineEightBitCache(model, text, work);
    expect(report.points).toBe(0);
    expect(report.text.match(/Not begun/g)).toHaveLength(report.parts.length);
  });

  /** A cache that keeps codes and scales made by `scaleOf` and `round`. */
  const made = (
    scaleOf: (row: Float32Array, before: number) => number,
    round = Math.round,
    extra: 'none' | 'the rows' = 'none',
  ): NewCache =>
    class {
      private readonly codes: Int8Array[] = [];
      private readonly scales: Float32Array[] = [];
      private readonly kept: Float32Array[] = [];
      append(row: Float32Array): void {
        const scale = scaleOf(row, this.scales.at(-1)?.[0] ?? 0);
        this.scales.push(Float32Array.of(scale));
        this.codes.push(Int8Array.from(row, (x) => round(x / scale)));
        if (extra === 'the rows') this.kept.push(row.slice());
      }
      read(): Float32Array[] {
        return this.codes.map((c, n) => Float32Array.from(c, (x) => x * this.scales[n][0]));
      }
      get bytes(): number {
        return this.codes.reduce((sum, c) => sum + c.length + 4, 0);
      }
    };
  const largest = (row: Float32Array): number => Math.max(...Array.from(row, Math.abs));
  const ownScale = (row: Float32Array): number => largest(row) / 127 || 1;

  it.each<[string, NewCache, RegExp]>([
    [
      'steps of a power of two',
      made((row) => 2 ** Math.ceil(Math.log2(ownScale(row)))),
      /with the largest .* 127 as step/,
    ],
    [
      'rounded downwards',
      made(ownScale, Math.floor),
      /off by more than half a step: round to the nearest/,
    ],
    ['one scale', made((row, before) => Math.max(ownScale(row), before)), /a scale of its own/],
    ['128 steps', made((row) => largest(row) / 128 || 1), /a sign is lost: .* 128 becomes −128/],
    ['the rows beside', made(ownScale, Math.round, 'the rows'), /are the rows kept beside/],
    [
      'a shared array',
      class {
        private readonly rows: Float32Array[] = [];
        append(row: Float32Array): void {
          this.rows.push(row);
        }
        read(): Float32Array[] {
          return this.rows;
        }
        readonly bytes = 0;
      },
      /the cache holds the caller’s own array/,
    ],
  ])('%s', async (_, newCache, reason) => {
    const report = await judge(newCache);
    expect(report.text).toMatch(reason);
    expect(report.points).toBeLessThan(report.of);
  });
  it('a report in bits, without the scales, or of another text is not the measured one', async () => {
    const right = reportOf(Right);
    const said = async (change: Partial<eightBit.EightBitReport>) =>
      (await judge(Right, { ...right, ...change })).text;
    expect(await said({ lossFloat: right.lossFloat / Math.LN2 })).toMatch(/You gave bits/);
    expect(await said({ bytes8: right.bytesFloat / 4 })).toMatch(/The scales take space too/);
    expect(await said({ loss8: right.loss8 + 0.1 })).toMatch(/loss8 is .*, measured here/);
    expect(await said({ bytesFloat: 1 })).toMatch(/bytesFloat is 1, held here/);
  });
  it('held bytes: views of one buffer once, lists 8 a number, circles end', () => {
    const row = new Float32Array(4);
    const holder: Record<string, unknown> = { row, view: row.subarray(1), list: [1, 2] };
    holder.self = holder;
    expect(eightBit.heldBytes(holder)).toBe(16 + 16);
  });
});

describe('4, an exact prefill', () => {
  const name = '4-exact-prefill';
  type Work = exactPrefill.ExactPrefillWork;
  const judge = exactPrefill.examineExactPrefill;
  const right = declaredIn<Work>('solutions/assignments', name, ['prefill', 'count']);

  it('the solution gets all points; the stub none', async () => {
    const report = await judge(right);
    expect(failed(report)).toEqual([]);
    expect(report.of).toBe(pointsInRubric('assignments', name));
    const stub = await judge(declaredIn<Work>('assignments', name, ['prefill', 'count']));
    expect(stub.points).toBe(0);
    expect(stub.text.match(/Not begun/g)).toHaveLength(stub.parts.length);
  });
  it('the count of the solution’s text: 20 windows of 128', () => {
    expect(right.count(10_000, 20, new Array(20).fill(128)) - 200_000).toBe(24_150);
  });

  /** Every upper layer on the last `positions`; what is below them is the middle's row. */
  const replaying =
    (positionsOf: (model: exactPrefill.WindowedDecoder, N: number) => number) =>
    (model: exactPrefill.WindowedDecoder, tokens: readonly number[]): exactPrefill.Row => {
      let x: exactPrefill.Row[] = model.lower(tokens);
      const first = Math.max(0, tokens.length - positionsOf(model, tokens.length));
      for (const layer of model.upperLayers.keys()) {
        const below = x;
        x = below.map((row, n) => (n < first ? row : model.upper(layer, n, (m) => below[m])));
      }
      return x[x.length - 1];
    };
  const reaches = ({ upperLayers }: exactPrefill.WindowedDecoder): number[] =>
    upperLayers.map((kind) => (kind === 'cache' ? 0 : kind - 1));
  const sum = (xs: number[]): number => xs.reduce((a, b) => a + b, 0);
  const count = right.count;

  it.each<[string, Partial<Work>, RegExp, number]>([
    ['the full pass', { prefill: replaying((_, N) => N) }, /That is the full pass/, 6],
    ['the exit of YOCO', { prefill: replaying(() => 1) }, /a window on top: off by/, 3],
    [
      'one window’s worth is replayed',
      { prefill: replaying((model) => 1 + Math.max(...reaches(model))) },
      /off by .* Which outputs does|off by .*which outputs does/,
      6,
    ],
    [
      'all layers on as many positions as the lowest',
      { prefill: replaying((model) => 1 + sum(reaches(model))) },
      /All layers run on as many positions as the lowest/,
      7,
    ],
    [
      'no row is kept',
      {
        prefill: (model, tokens) => {
          const middle = model.lower(tokens);
          const at = (layer: number, n: number): exactPrefill.Row =>
            layer < 0 ? middle[n] : model.upper(layer, n, (m) => at(layer - 1, m));
          return at(model.upperLayers.length - 1, tokens.length - 1);
        },
      },
      /Some are computed several times|Which outputs of a layer does nobody read/,
      7,
    ],
    [
      'a count of the upper half',
      { count: (N, L, up) => count(N, L, up) - N * L },
      /lower half/,
      8,
    ],
    ['YOCO’s count', { count: (N, L, up) => N * L + up.length }, /That is YOCO’s count/, 8],
    [
      'windows do not add up',
      {
        count: (N, L, up) =>
          N * L +
          sum(
            up.map((_, l) =>
              up[l + 1] === undefined || up[l + 1] === 'cache' ? 1 : Math.min(N, Number(up[l + 1])),
            ),
          ),
      },
      /Windows add up/,
      8,
    ],
    [
      'more positions than tokens',
      { count: (N, L, up) => count(1e6, L, up) - 1e6 * L + N * L },
      /More positions than the prompt has/,
      8,
    ],
  ])('%s', async (_, change, reason, most) => {
    const report = await judge({ ...right, ...change });
    expect(report.text).toMatch(reason);
    expect(report.points).toBeLessThanOrEqual(most);
    expect(report.points).toBeLessThan(report.of);
  });
  it('a position that is not given is named', async () => {
    const blind: exactPrefill.ExactPrefill = (model, tokens) => {
      model.lower(tokens);
      return model.upper(0, tokens.length - 1, () => undefined as never);
    };
    const { text } = await judge({ ...right, prefill: blind });
    expect(text).toMatch(/layer 0 at position 19 reads position 19, which is not there/);
  });
});

it('the judges print what they find', async () => {
  const log = vi.spyOn(console, 'log').mockImplementation(() => undefined);
  await exactPrefill.judgeExactPrefill({ prefill: () => [], count: () => 0 });
  const printed = log.mock.calls.flat().join('\n');
  log.mockRestore();
  expect(printed).toMatch(/^Assignment 4, an exact prefill: 0 of 10 points/);
});
