/** The judges of the assignments: the solution gets all points, wrong answers get reasons. */

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import ts from 'typescript';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import * as index from '../../../src/index';
import * as retentionForm from '../../../src/retention/retention-form';
import * as backward from '../../../src/support/course/assignments/1-chunkwise-backward';
import * as delta from '../../../src/support/course/assignments/2-delta-rule';
import * as eightBit from '../../../src/support/course/assignments/3-eight-bit-cache';
import * as exactPrefill from '../../../src/support/course/assignments/4-exact-prefill';
import * as fair from '../../../src/support/course/assignments/5-fair-comparison';
import { isClose, judgeParts, type Report } from '../../../src/support/course/assignments/judge';
import {
  codeOf,
  readNotebook,
  sourceOf,
  textOf,
} from '../../../src/support/notebook/notebook-file';
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
  [`${home}/2-delta-rule`]: delta,
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
  expect(names.length).toBe(5);
  expect(solutions.filter((name) => name.endsWith('.ipynb'))).toEqual(names);
});
it.each([1, 2, 3, 4, 5])('%i: the stored solution has all points', (number) => {
  const folder = join(root, 'notebooks', 'solutions', 'assignments');
  const name = readdirSync(folder).find((file) => file.startsWith(`${number}-`))!;
  const { cells } = readNotebook(join(folder, name));
  const printed = cells.flatMap(({ outputs = [] }) => outputs.map(textOf)).join('');
  expect(printed).toMatch(new RegExp(`Assignment ${number}, .*: (\\d+) of \\1 points`));
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

describe('2, the delta rule', { timeout: minute }, () => {
  const name = '2-delta-rule';
  const judge = delta.examineDeltaRule;
  const solved = (folder: string): delta.DeltaWork =>
    declaredIn(folder, name, ['byDefinition', 'recurrent', 'chunkwise']);
  const right = solved('solutions/assignments');

  it('the solution gets all points; the stub none', async () => {
    const report = await judge(right);
    expect(failed(report)).toEqual([]);
    expect(report.of).toBe(pointsInRubric('assignments', name));
    const stub = await judge(solved('assignments'));
    expect(stub.points).toBe(0);
    expect(stub.text.match(/Not begun/g)).toHaveLength(stub.parts.length);
  });

  type Write = (S: tf.Tensor, k: tf.Tensor, v: tf.Tensor, beta: tf.Tensor) => tf.Tensor;
  /** Token by token, with what is written given; the query reads before or after it. */
  const tokenwise =
    (write: Write, readsFirst = false): delta.DeltaForm =>
    ({ q, k, v, beta }, { initialState } = {}) =>
      tf.tidy(() => {
        const [B, H, N, Dk] = q.shape;
        const cut = (x: tf.Tensor, n: number) => x.slice([0, 0, n, 0], [-1, -1, 1, -1]);
        let S: tf.Tensor = initialState ?? tf.zeros([B, H, Dk, v.shape[3]]);
        const outputs: tf.Tensor[] = [];
        for (let n = 0; n < N; n++) {
          const before = S;
          const weight = cut(beta.reshape([B, H, N, 1]), n);
          const u = write(S, cut(k, n), cut(v, n), weight);
          S = S.add(tf.matMul(cut(k, n), u, true));
          outputs.push(tf.matMul(cut(q, n), readsFirst ? before : S));
        }
        return { output: tf.concat(outputs, 2) as tf.Tensor4D, state: S.clone() as tf.Tensor4D };
      });
  const missing: Write = (S, k, v, beta) => v.sub(tf.matMul(k, S)).mul(beta);
  /** In chunks; the corrections of a chunk are solved with the rows m < n, or not at all. */
  const inChunks =
    (solve: boolean, carries: boolean): delta.DeltaForm =>
    ({ q, k, v, beta }, { initialState, chunkSize = 64 } = {}) =>
      tf.tidy(() => {
        const [B, H, N, Dk] = q.shape;
        const split = (x: tf.Tensor) => retentionForm.splitTime(x, chunkSize) as tf.Tensor4D[];
        const [Q, K, V] = [split(q), split(k), split(v)];
        const betas = split(beta.reshape([B, H, N, 1]));
        const empty: tf.Tensor4D = tf.zeros([B, H, Dk, v.shape[3]]);
        let S: tf.Tensor4D = initialState ?? empty;
        const outputs: tf.Tensor4D[] = [];
        for (let i = 0; i < Q.length; i++) {
          const part = { q: Q[i], k: K[i], v: V[i], beta: betas[i].squeeze([3]) as tf.Tensor3D };
          if (!carries && i > 0) S = empty;
          if (solve) {
            const result = right.chunkwise(part, { initialState: S });
            outputs.push(result.output);
            S = result.state;
            continue;
          }
          const c = Q[i].shape[2];
          const mask = tf.linalg.bandPart(tf.ones([c, c]), -1, 0);
          const U = V[i].sub(tf.matMul(K[i], S)).mul(betas[i]);
          const inside = tf.matMul(tf.matMul(Q[i], K[i], false, true).mul(mask), U);
          outputs.push(tf.matMul(Q[i], S).add(inside));
          S = S.add(tf.matMul(K[i], U, true));
        }
        return { output: tf.concat(outputs, 2), state: S.clone() };
      });

  it.each<[string, Partial<delta.DeltaWork>, RegExp, number]>([
    [
      'linear attention',
      { recurrent: tokenwise((_, __, v, beta) => v.mul(beta)) },
      /output: the old value stays/,
      10,
    ],
    [
      'β on the value alone',
      { recurrent: tokenwise((S, k, v, beta) => v.mul(beta).sub(tf.matMul(k, S))) },
      /output: β is on v alone/,
      10,
    ],
    [
      'no β',
      { recurrent: tokenwise((S, k, v) => v.sub(tf.matMul(k, S))) },
      /output: β is missing/,
      10,
    ],
    [
      'the output before the update',
      { recurrent: tokenwise(missing, true) },
      /output: the query reads the state before its own token/,
      10,
    ],
    [
      'no state before the first token',
      { recurrent: (inputs) => right.recurrent(inputs) },
      /output: the state before the first token is not read/,
      10,
    ],
    [
      'no triangular system',
      { chunkwise: inChunks(false, true) },
      /every key looks in the state before the chunk/,
      7,
    ],
    ['chunks alone', { chunkwise: inChunks(true, false) }, /begins with an empty state/, 9],
    [
      'a definition that adds',
      {
        byDefinition: (head, S) => {
          const twice = right.byDefinition(head, S);
          return { ...twice, output: twice.output.map((row) => row.map((x) => x + 2)) };
        },
      },
      /after 2 and 7 under one key with β = 1 the outputs are 4,9; expected 2,7/,
      10,
    ],
    [
      'tensors that stay',
      {
        recurrent: (...given) => {
          tf.keep(tf.ones([1]));
          return right.recurrent(...given);
        },
      },
      /recurrent: 3 tensors remain after one call, expected 2/,
      11,
    ],
    [
      'a state that is cut off from the gradient',
      {
        chunkwise: (inputs, options) => {
          const { output, state } = right.chunkwise(inputs, options);
          const numbers = tf.tensor4d(output.dataSync(), output.shape);
          output.dispose();
          // the numbers are right, and no gradient goes through them but that of v
          return { output: numbers.add(inputs.v.mul(0)) as tf.Tensor4D, state };
        },
      },
      /gradients go through/,
      11,
    ],
  ])('%s', async (_, change, reason, most) => {
    const report = await judge({ ...right, ...change });
    expect(report.text).toMatch(reason);
    expect(report.points).toBeLessThanOrEqual(most);
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
      /a step is largest \/ 127/,
    ],
    [
      'rounded downwards',
      made(ownScale, Math.floor),
      /more than half a step off: round to the nearest/,
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

describe('5, a fair comparison', () => {
  const name = '5-fair-comparison';
  const kinds: [string, string] = ['A', 'B'];
  /** A loss that depends on kind, rate and seed as a trained one might: lowest at 0.01 and 0.03. */
  const lossOf = (kind: string, rate: number, seed: number): number => {
    const best = kind === 'A' ? 0.01 : 0.03;
    const ofSeed = 0.02 * Math.sin(5 * seed) + 0.004 * Math.sin(9 * seed + kind.charCodeAt(0));
    return (kind === 'A' ? 2.1 : 2) + 0.1 * Math.log10(rate / best) ** 2 + ofSeed;
  };
  const train: fair.TrainOnce = async (kind, rate, seed) => lossOf(kind, rate, seed);
  const runsAt = (kind: string, rates: number[], seeds: number[]): fair.Run[] =>
    rates.flatMap((learningRate) =>
      seeds.map((seed) => ({ kind, learningRate, seed, loss: lossOf(kind, learningRate, seed) })),
    );
  const rates = [0.003, 0.01, 0.03, 0.1];
  const right = (): fair.ComparisonReport => {
    const seeds = [1, 2, 3, 4, 5];
    const runs = [...runsAt('A', [0.01], seeds), ...runsAt('B', [0.03], seeds)];
    const differences = seeds.map((seed) => lossOf('A', 0.01, seed) - lossOf('B', 0.03, seed));
    const difference = differences.reduce((a, b) => a + b) / 5;
    const squares = differences.map((d) => (d - difference) ** 2);
    const error = Math.sqrt(squares.reduce((a, b) => a + b) / 4 / 5);
    return {
      kinds,
      tuning: kinds.flatMap((kind) => runsAt(kind, rates, [101, 102])),
      chosen: { A: 0.01, B: 0.03 },
      runs,
      difference,
      interval: [difference - 2.776 * error, difference + 2.776 * error],
      lower: 'B',
    };
  };
  const withHalf = (report: fair.ComparisonReport, factor: number): fair.ComparisonReport => {
    const half = ((report.interval[1] - report.interval[0]) / 2) * factor;
    return { ...report, interval: [report.difference - half, report.difference + half] };
  };
  const judge = (report: fair.ComparisonReport | undefined) =>
    fair.examineComparison(report, train);

  it('a right report gets all points; none gets none', async () => {
    const report = await judge(right());
    expect(failed(report)).toEqual([]);
    expect(report.of).toBe(pointsInRubric('assignments', name));
    const none = await judge(undefined);
    expect(none.points).toBe(0);
    expect(none.text.match(/Not begun/g)).toHaveLength(none.parts.length);
  });
  it.each<[string, (report: fair.ComparisonReport) => fair.ComparisonReport, RegExp]>([
    [
      'one rate for both',
      (r) => ({ ...r, tuning: r.tuning.filter((run) => run.learningRate === 0.01) }),
      /A was tried with 1 learning rates; try 3 or more/,
    ],
    [
      'one kind tuned more',
      (r) => ({ ...r, tuning: [...r.tuning, ...runsAt('B', rates, [103])] }),
      /A had 8 tuning runs and B 12/,
    ],
    [
      'a lucky seed at one rate',
      (r) => ({ ...r, tuning: [...r.tuning, ...runsAt('A', [0.01], [103])] }),
      /A: not every rate was tried with the same seeds/,
    ],
    [
      'another rate than the best',
      (r) => ({ ...r, chosen: { A: 0.03, B: 0.03 } }),
      /A: 0.03 was chosen, but the lowest mean is that of 0.01/,
    ],
    [
      'the edge',
      (r) => ({ ...r, tuning: r.tuning.filter((run) => run.learningRate <= 0.03) }),
      /B: 0.03 is at the edge of the rates tried, 0.003, 0.01, 0.03/,
    ],
    [
      'three seeds',
      (r) => ({ ...r, runs: r.runs.filter((run) => run.seed <= 3) }),
      /A has 3 seeds; give 5 to 15/,
    ],
    ['a seed twice', (r) => ({ ...r, runs: [...r.runs, r.runs[0]] }), /A: a seed occurs twice/],
    [
      'different seeds',
      (r) => ({ ...r, runs: [...r.runs.slice(0, 5), ...runsAt('B', [0.03], [2, 3, 4, 5, 6])] }),
      /the two kinds have different seeds/,
    ],
    [
      'the seeds that chose',
      (r) => ({ ...r, tuning: kinds.flatMap((kind) => runsAt(kind, rates, [1, 2])) }),
      /seed 1 chose the rate and is in the result/,
    ],
    ['the other sign', (r) => ({ ...r, difference: -r.difference }), /first kind minus the second/],
    [
      'the best seeds',
      (r) => {
        const best = (kind: string) =>
          Math.min(...r.runs.filter((run) => run.kind === kind).map((run) => run.loss));
        return { ...r, difference: best('A') - best('B') };
      },
      /You compare the best seed of each kind/,
    ],
    [
      'two standard errors',
      (r) => withHalf(r, 2 / 2.776),
      /take t with 4 degrees of freedom, 2.776/,
    ],
    ['one standard error', (r) => withHalf(r, 1 / 2.776), /in 2 of 3 cases only/],
    ['a deviation', (r) => withHalf(r, Math.sqrt(5)), /That is where one seed falls/],
    [
      'no pairs',
      (r) => {
        const squares = kinds.map((kind) => {
          const losses = r.runs.filter((run) => run.kind === kind).map((run) => run.loss);
          const mean = losses.reduce((a, b) => a + b) / 5;
          return losses.reduce((sum, x) => sum + (x - mean) ** 2, 0) / 4;
        });
        const half = 2.306 * Math.sqrt((squares[0] + squares[1]) / 5);
        return { ...r, interval: [r.difference - half, r.difference + half] };
      },
      /The seeds are pairs/,
    ],
    ['too weak a claim', (r) => ({ ...r, lower: 'undecided' }), /B is lower/],
    ['too strong a claim', undecidedCalled, /the interval contains 0: these runs do not decide/],
    [
      'a made-up loss',
      (r) => ({ ...r, runs: r.runs.map((run) => ({ ...run, loss: run.loss - 0.1 })) }),
      /the report says .*, trained again/,
    ],
  ])('%s', async (_, change, reason) => {
    const report = await judge(change(right()));
    expect(report.text).toMatch(reason);
    expect(report.points).toBeLessThan(report.of);
  });

  /** Two kinds whose runs differ by their seeds alone, and a claim all the same. */
  function undecidedCalled(r: fair.ComparisonReport): fair.ComparisonReport {
    const runs = r.runs.map((run) => ({
      ...run,
      loss: 2 + 0.02 * Math.sin(run.seed * (run.kind === 'A' ? 3 : 7)),
    }));
    return { ...r, runs, lower: 'A' };
  }
  it(
    'the budget: a run is repeated to the digit, and learns',
    async () => {
      const losses = [
        await fair.trainOnce('YOCO, window', 0.03, 4),
        await fair.trainOnce('YOCO, window', 0.03, 4),
      ];
      expect(losses[0]).toBe(losses[1]);
      expect(losses[0]).toBeLessThan(Math.log(80));
    },
    5 * minute,
  );
});

it('the judges print what they find', async () => {
  const log = vi.spyOn(console, 'log').mockImplementation(() => undefined);
  await exactPrefill.judgeExactPrefill({ prefill: () => [], count: () => 0 });
  const printed = log.mock.calls.flat().join('\n');
  log.mockRestore();
  expect(printed).toMatch(/^Assignment 4, an exact prefill: 0 of 10 points/);
});
