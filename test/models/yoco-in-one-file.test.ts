/**
 * The one file is the whole model: equal to the official code's numbers, to the model in rooms and
 * to the float64 definition; it needs nothing but TensorFlow.js, and its early exit saves work.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import ts from 'typescript';
import { beforeAll, describe, expect, it } from 'vitest';
import { generate } from '../../src/inference/generate';
import { yocoConfig } from '../../src/models/config';
import { Yoco } from '../../src/models/yoco';
import * as oneFile from '../../src/models/yoco-in-one-file';
import { withUpstreamGradients } from '../../src/support/backends/patches/gradients';
import { withUpstreamKernels } from '../../src/support/backends/patches/replace-kernel';
import { crossEntropy } from '../../src/training/loss';
import { toStateDict } from '../../src/weights/state-dict';
import { GoldenFile } from '../golden/golden-file';
import { expectClose, leakedBy, useTestEngine } from '../helpers';
import { type DrawnInputs, drawInputs, drawnSizes, inFloat64 } from '../retention/retention-inputs';
import { drawTokens, tolerance } from './model-inputs';

beforeAll(useTestEngine);
type OneFile = typeof oneFile;
type OneFileYoco = InstanceType<OneFile['Yoco']>;

const path = join(__dirname, '../../src/models/yoco-in-one-file.ts');
const source = readFileSync(path, 'utf8');
const columns = (tokens: number[][], from: number, to: number): number[][] =>
  tokens.map((row) => row.slice(from, to));

describe('the file', () => {
  it('is read in one evening: at most 220 lines of 100 columns', () => {
    const lines = source.trimEnd().split('\n');
    expect(lines.length).toBeLessThanOrEqual(220);
    expect(lines.filter((line) => line.length > 100)).toEqual([]);
  });
  it('is copied as it is: it imports TensorFlow.js and nothing else', () => {
    const imports = [...source.matchAll(/\bfrom\s+'([^']+)'|\b(?:import|require)\s*\(/g)];
    expect(imports.map((match) => match[1])).toEqual(['@tensorflow/tfjs']);
  });
  it('shows the early exit in one line', () => {
    expect(source.match(/^.*the early exit.*$/gm)).toHaveLength(1);
  });
});

describe('the numbers of the official code', () => {
  const directory = process.env.GOLDEN_DIR ?? join(__dirname, '../golden/data');
  const names = readdirSync(directory).filter((name) => name.startsWith('model_yoco_gret'));

  it.skipIf(process.env.GOLDEN_DIR)('there are files to compare', () => {
    expect(names).not.toEqual([]);
  });
  it.each(names)('%s: logits, caches, decoding, greedy tokens', { timeout: 300_000 }, (name) => {
    const file = new GoldenFile(join(directory, name));
    compareInference(file, oneFile);
    expect(file.compared).toBeGreaterThan(10);
  });
  it.each(names)('%s: the loss and the gradient of every weight', { timeout: 300_000 }, (name) => {
    const file = new GoldenFile(join(directory, name));
    const cases = file.cases.filter((c) => file.meta(`${c}.gradients`) === 'true');
    for (const c of cases) compareGradients(file, c);
    expect(file.compared).toBeGreaterThan(10 * cases.length);
  });
  it('a: TensorFlow.js as it is delivered gives them too, without a patch', (context) => {
    const engine = tf.getBackend();
    context.skip(engine === 'webgpu', 'Dawn for Node needs patches to run at all');
    const file = new GoldenFile(join(directory, 'model_yoco_gret_a.safetensors'));
    withUpstreamGradients(() => withUpstreamKernels(() => compareInference(file, oneFile)));
    expect(file.compared).toBeGreaterThan(10);
  });
});

/** The model that a file describes. The caller disposes its weights. */
function modelOf(file: GoldenFile, { Yoco }: OneFile): OneFileYoco {
  const half = file.number('config.n_layers') / 2;
  const config = {
    dim: file.number('config.dim'),
    selfLayers: half,
    crossLayers: half,
    selfHeads: file.number('config.n_self_heads'),
    heads: file.number('config.n_attn_heads'),
    kvHeads: file.number('config.n_attn_kv_heads'),
    ropeTheta: file.number('config.rope_theta'),
    normEps: file.number('config.norm_eps'),
    gateTemperature: file.number('config.gate_logit_normalizer'),
  };
  return new Yoco(config, file.weights('weights/'));
}

/** Compares everything of the cases that needs no training. */
function compareInference(file: GoldenFile, module: OneFile): void {
  tf.tidy(() => {
    const model = modelOf(file, module);
    const tokens = file.rows('tokens');
    for (const c of file.cases) {
      file.compare(`${c}/logits`, model.forward(tokens));
      for (const name of file.meta(`${c}.generate`).split(',').filter(Boolean)) {
        compareDecoding(file, c, name, model, tokens);
      }
      if (!file.hasMeta(`${c}.prompt_for_greedy`)) continue; // optional, like gradients
      const promptLength = file.number(`${c}.prompt_for_greedy`);
      const length = promptLength + file.number(`${c}.greedy_steps`);
      const texts = tokens.map((row) => model.generate(row.slice(0, promptLength), length));
      file.compareExactly(`${c}/greedy_tokens`, columns(texts, promptLength, length));
    }
  });
}

/** Prefill of the file's segments, then one token at a time; the caches after each segment. */
function compareDecoding(
  file: GoldenFile,
  c: string,
  name: string,
  model: OneFileYoco,
  tokens: number[][],
): void {
  let cache: oneFile.YocoCache | undefined;
  let position = 0;
  for (const size of file.list(`${c}.gen.${name}.segments`)) {
    cache = model.prefill(columns(tokens, position, position + size), cache).cache;
    position += size;
    compareCache(file, `${c}/gen/${name}/cache_after_${position}/`, cache);
  }
  const logits: tf.Tensor[] = []; // [B, vocab] each
  for (; position < tokens[0].length; position++) {
    const token = tokens.map((row) => row[position]);
    const column = columns(tokens, position, position + 1);
    const next = cache ? model.step(token, cache) : model.prefill(column);
    logits.push(next.logits);
    cache = next.cache;
  }
  if (logits.length > 0) file.compare(`${c}/gen/${name}/decode_logits`, tf.stack(logits, 1));
  compareCache(file, `${c}/cache_final/`, cache!);
}

/** `self.<i>.state`, `cross.key` and `cross.value` below `prefix`. */
function compareCache(file: GoldenFile, prefix: string, cache: oneFile.YocoCache): void {
  const held: Record<string, tf.Tensor> = {
    'cross.key': cache.global.k,
    'cross.value': cache.global.v,
  };
  for (const [i, S] of cache.layers.entries()) held[`self.${i}.state`] = S;
  for (const name of file.namesUnder(prefix)) {
    const ours = held[name.slice(prefix.length)];
    if (!ours) throw new Error(`${name} has no counterpart in the cache.`);
    file.compare(name, ours, name.endsWith('.state') ? 'prefill' : undefined);
  }
}

/** The loss on the first batch, and its gradient, through `forward`. */
function compareGradients(file: GoldenFile, c: string): void {
  tf.tidy(() => {
    const model = modelOf(file, oneFile);
    const names = Object.keys(model.weights);
    const { shape } = file.raw('train/batches'); // [batches, rows, T + 1]
    const rows = file.rows('train/batches').slice(0, shape[1]);
    const lossOf = (...weights: tf.Tensor[]): tf.Scalar => {
      for (const [i, name] of names.entries()) model.weights[name] = weights[i];
      const logits = model.forward(columns(rows, 0, shape[2] - 1)); // [rows, T, vocab]
      return crossEntropy(logits as tf.Tensor3D, columns(rows, 1, shape[2]));
    };
    const { value, grads } = tf.valueAndGrads(lossOf)(Object.values(model.weights));
    file.compare(`${c}/loss`, value.reshape([1]));

    const gradients: Record<string, tf.Tensor> = {}; // matrices [out, in]
    for (const [i, name] of names.entries()) {
      const isMatrix = grads[i].rank === 2 && name !== 'embed_tokens.weight';
      gradients[name] = isMatrix ? grads[i].transpose() : grads[i];
    }
    if (file.meta('config.tied_embeddings') === 'true') {
      const ofHead = gradients['output_projection.weight'];
      gradients['embed_tokens.weight'] = gradients['embed_tokens.weight'].add(ofHead);
      delete gradients['output_projection.weight'];
    }
    for (const [name, gradient] of Object.entries(gradients)) {
      file.compare(`${c}/grad/${name}`, gradient);
    }
  });
}

/** A small config that may be drawn, tokens for it, and where the prompt is cut. */
const drawnModels = fc.record({
  selfLayers: fc.integer({ min: 1, max: 2 }),
  crossLayers: fc.integer({ min: 1, max: 2 }),
  selfHeads: fc.constantFrom(1, 2, 4),
  heads: fc.constantFrom<[number, number]>([1, 1], [2, 1], [4, 1], [4, 2], [4, 4]),
  tiedEmbeddings: fc.boolean(),
  B: fc.integer({ min: 1, max: 3 }),
  pieces: fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 3 }),
  seed: fc.nat(999),
});
type DrawnModel = typeof drawnModels extends fc.Arbitrary<infer T> ? T : never;
const small: DrawnModel = {
  selfLayers: 3,
  crossLayers: 3,
  selfHeads: 2,
  heads: [4, 2],
  tiedEmbeddings: false,
  B: 2,
  pieces: [12],
  seed: 8,
};

function bothModels({ heads: [heads, kvHeads], seed, ...drawn }: DrawnModel) {
  const { selfLayers, crossLayers, selfHeads, tiedEmbeddings } = drawn;
  const widths = { vocabSize: 64, dim: 24, ffnDim: 44, heads, kvHeads };
  const config = yocoConfig({ ...widths, selfLayers, crossLayers, selfHeads, tiedEmbeddings });
  const modular = new Yoco(config, { seed });
  return { modular, single: new oneFile.Yoco(config, toStateDict(modular.parameters)) };
}

describe('the model in rooms, with random weights', () => {
  it('gives the same logits and caches: all positions, prefill in pieces, decoding', () => {
    const property = fc.property(drawnModels, (drawn) => {
      tf.tidy(() => {
        const { modular, single } = bothModels(drawn);
        const prompt = drawn.pieces.reduce((a, b) => a + b);
        const tokens = drawTokens(drawn.seed, drawn.B, prompt + 3);
        expectClose(single.forward(tokens), modular.forward(tokens), tolerance, 'forward');

        const theirs = modular.newCache(drawn.B);
        let ours: oneFile.YocoCache | undefined;
        const compareParts = (what: string) => {
          const held = theirs.snapshot();
          for (const [i, S] of ours!.layers.entries()) {
            expectClose(S, held[`layers.${i}.state`], tolerance, `${what}: state ${i}`);
          }
          expectClose(ours!.global.k, held['global.k'], tolerance, `${what}: K̂`);
          expectClose(ours!.global.v, held['global.v'], tolerance, `${what}: V̂`);
        };
        let position = 0;
        for (const size of drawn.pieces) {
          const piece = columns(tokens, position, position + size);
          const next = single.prefill(piece, ours);
          expectClose(next.logits, modular.prefill(piece, theirs), tolerance, 'prefill');
          ours = next.cache;
          position += size;
          compareParts(`after ${position} tokens`);
        }
        for (; position < tokens[0].length; position++) {
          const token = tokens.map((row) => row[position]);
          const next = single.step(token, ours!);
          expectClose(next.logits, modular.step(token, theirs), tolerance, 'step');
          ours = next.cache;
        }
        compareParts('at the end');
        theirs.dispose();
        modular.dispose();
      });
    });
    fc.assert(property, { numRuns: 15 });
  });

  it('writes the same text', async () => {
    const drawn = fc.sample(drawnModels, { numRuns: 3, seed: 5 });
    for (const model of drawn) {
      const { modular, single } = bothModels(model);
      const [prompt] = drawTokens(model.seed, 1, 9);
      const options = { maxNewTokens: 12, temperature: 0 };
      const { tokens } = await generate(modular, [prompt], options);
      expect(single.generate(prompt, 21)).toEqual([...prompt, ...tokens[0]]);
      tf.dispose(single.weights);
      modular.dispose();
    }
  });
});

/** The recurrent form takes one token; this is a loop over all of them. */
function recurrentOverAll(
  inputs: DrawnInputs,
  S: tf.Tensor,
): { output: tf.Tensor; state: tf.Tensor } {
  const outputs: tf.Tensor[] = [];
  for (let n = 0; n < inputs.q.shape[2]; n++) {
    const token = (x: tf.Tensor) => x.slice([0, 0, n], [-1, -1, 1]);
    const { q, k, v, logDecay } = inputs;
    const one = { q: token(q), k: token(k), v: token(v), logDecay: token(logDecay) };
    const result = oneFile.recurrentRetention(one, S);
    outputs.push(result.output);
    S = result.state;
  }
  return { output: tf.concat(outputs, 2), state: S };
}

describe('gated retention', () => {
  it('parallel, recurrent and chunkwise equal the float64 definition', () => {
    const cases = fc.tuple(drawnSizes(40), fc.integer({ min: 1, max: 45 }));
    const property = fc.property(cases, ([sizes, c]) => {
      tf.tidy(() => {
        const inputs = drawInputs(sizes);
        const { B, H, Dk, Dv } = sizes;
        const S = inputs.initialState ?? tf.zeros([B, H, Dk, Dv]);
        const expected = inFloat64(inputs);
        const forms = {
          parallel: oneFile.parallelRetention(inputs, S),
          recurrent: recurrentOverAll(inputs, S),
          chunkwise: oneFile.chunkwiseRetention(inputs, S, c),
        };
        for (const [form, { output, state }] of Object.entries(forms)) {
          expectClose(output, expected.output, tolerance, `${form}: output`);
          expectClose(state, expected.state, tolerance, `${form}: state`);
        }
      });
    });
    fc.assert(property, { numRuns: 40 });
  });
});

describe('the early exit', () => {
  /** Layers × positions × texts, read from the products of the second linear layer of SwiGLU. */
  async function layerTokens(work: () => tf.TensorContainer): Promise<number> {
    const { kernels } = await tf.profile(() => tf.tidy(() => void work()));
    let sum = 0;
    for (const { name, inputShapes } of kernels) {
      const [rows, weights] = inputShapes.map((shape) => shape.slice(-2));
      if (!name.endsWith('MatMul') || String(weights) !== '44,24') continue;
      sum += rows[0];
    }
    return sum;
  }
  it('gives the last logits of the full pass with N · L/2 + L/2 layer-tokens', async () => {
    const { modular, single } = bothModels(small);
    modular.dispose();
    const [B, N, L] = [2, 50, 6];
    const tokens = drawTokens(1, B, N);
    tf.tidy(() => {
      const all = single.forward(tokens); // [B, N, vocab]
      const last = all.slice([0, N - 1], [-1, 1]).squeeze([1]); // [B, vocab]
      expectClose(single.prefill(tokens).logits, last, tolerance);
    });

    const { cache, logits } = single.prefill(columns(tokens, 0, 9));
    expect(await layerTokens(() => single.forward(tokens))).toBe(B * N * L);
    expect(await layerTokens(() => single.prefill(tokens))).toBe(B * (N * (L / 2) + L / 2));
    expect(await layerTokens(() => single.step([3, 4], cache))).toBe(B * L);
    tf.dispose([cache, logits, single.weights]);
  });

  it('is what saves the work: without that line the logits are the same, for N · L', async () => {
    const { modular, single } = bothModels(small);
    modular.dispose();
    const slice = 'slice([0, tokens[0].length - 1], [-1, 1])';
    const withoutExit = source
      .replace(`middle.x.${slice};`, 'middle.x;')
      .replace('logits.squeeze', `logits.${slice}.squeeze`);
    const { Yoco: Whole } = load(withoutExit);
    const whole = new Whole(single.config, new Map());
    Object.assign(whole.weights, single.weights);

    const tokens = drawTokens(1, 2, 50);
    tf.tidy(() => {
      expectClose(single.prefill(tokens).logits, whole.prefill(tokens).logits, tolerance);
    });
    expect(await layerTokens(() => whole.prefill(tokens))).toBe(2 * 50 * 6);
    tf.dispose(single.weights);
  });
});

describe('memory', () => {
  const tensorsOfCache = small.selfLayers + 2; // S of each layer, K̂ and V̂

  it('a call leaves what it returns: logits and a cache of S, K̂ and V̂', () => {
    const { modular, single } = bothModels(small);
    modular.dispose();
    const tokens = drawTokens(2, 2, 70);
    expect(leakedBy(() => single.forward(tokens))).toBe(0);
    expect(leakedBy(() => single.prefill(tokens))).toBe(0);
    expect(leakedBy(() => void single.generate(tokens[0], 75))).toBe(0);

    const before = tf.memory().numTensors;
    let { logits, cache } = single.prefill(tokens);
    for (let n = 0; n < 4; n++) {
      expect(tf.memory().numTensors).toBe(before + 1 + tensorsOfCache);
      expect(cache.global.k.shape[1]).toBe(70 + n);
      const next = single.step([n, n], cache);
      tf.dispose([logits, cache]);
      ({ logits, cache } = next);
    }
    tf.dispose([logits, cache]);
    expect(tf.memory().numTensors).toBe(before);
    tf.dispose(single.weights);
  });

  it('a cache stays as it was: two texts can continue it, and an error changes nothing', () => {
    const { modular, single } = bothModels(small);
    modular.dispose();
    const tokens = drawTokens(3, 2, 12);
    const { logits, cache } = single.prefill(tokens);
    const leaked = leakedBy(() => {
      expect(() => single.step([1], cache)).toThrow(/shape/); // one text, a cache of two
      expect(() => single.forward([[1, 2], [3]])).toThrow(); // rows of different lengths
      // Graphics cards read past the end of a table without a word.
      if (tf.getBackend() !== 'webgpu') {
        expect(() => single.step([1, 64], cache)).toThrow(/64/); // the vocabulary ends at 63
      }
      tf.tidy(() => {
        for (const next of [5, 6]) {
          const longer = tokens.map((row) => [...row, next]);
          const expected = single.prefill(longer).logits;
          expectClose(single.step([next, next], cache).logits, expected, tolerance);
        }
      });
    });
    expect(leaked).toBe(0);
    tf.dispose([logits, cache, single.weights]);
  });
});

/** The module that a source text makes. */
function load(text: string): OneFile {
  const compilerOptions = { module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2022 };
  const { outputText } = ts.transpileModule(text, { compilerOptions });
  const exports = {};
  new Function('exports', 'require', outputText)(exports, () => tf);
  return exports as OneFile;
}

/** Each mistake is a piece of the source and what somebody could have written instead. */
const mistakes: Record<string, [string, string][]> = {
  'D transposed': [['logD.exp().mul(mask)', 'logD.exp().mul(mask).transpose([0, 1, 3, 2])']],
  "a token's own gate decays it": [['gates, 3, true, true', 'gates, 3, false, true']],
  'the state does not decay': [['S.mul(totalDecay).add', 'S.add']],
  'the state decays one gate too late': [
    [
      'const decayToEnd = tf.cumsum(logDecay, 2, true',
      'const decayToEnd = tf.cumsum(logDecay, 2, false',
    ],
  ],
  'a chunk starts from nothing': [
    ['parallelRetention(chunk, S)', 'parallelRetention(chunk, S.zerosLike())'],
  ],
  'no key scale': [['.mul((dim / H) ** -0.5)', '']],
  'τ of 8': [['div(-gateTemperature)', 'div(-gateTemperature / 2)']],
  'the usual rotary frequencies': [['Math.max(1, pairs - 1)', 'pairs']],
  'rotation to the other side': [['push((first', 'push(-(first']],
  'half-split pairs': [
    [
      'reshape([B, N, H, pairs, 2]).transpose([4, 0, 2, 1, 3])',
      'reshape([B, N, H, 2, pairs]).transpose([3, 0, 2, 1, 4])',
    ],
    ['transpose([1, 2, 3, 4, 0])', 'transpose([1, 2, 3, 0, 4])'],
  ],
  'decoding at position 0': [['= cache ? cache.global.k.shape : [0, 0]', '= [0, 0]']],
  'queries at position 0': [['H, M - N, theta', 'H, 0, theta']],
  'the two branches of SwiGLU exchanged': [
    ['.ffn.fc1', '.ffn.linear'],
    ['.ffn.gate', '.ffn.fc1'],
    ['.ffn.linear', '.ffn.gate'],
  ],
  'swish on the wrong side of the output gate': [
    ["swish(project('g_proj')).mul(perHead)", "project('g_proj').mul(swish(perHead))"],
  ],
  'one norm over all heads': [
    [
      'this.norm(output).transpose([0, 2, 1, 3]).reshape([B, N, dim])',
      'this.norm(output.transpose([0, 2, 1, 3]).reshape([B, N, dim]))',
    ],
  ],
  'heads tiled, not grouped': [
    ['fill(k.transpose([0, 2, 1, 3])), 2)', 'fill(k.transpose([0, 2, 1, 3])), 1)'],
    ['fill(v.transpose([0, 2, 1, 3])), 2)', 'fill(v.transpose([0, 2, 1, 3])), 1)'],
  ],
  'no causal mask': [['scores.add(causal.sub(1).mul(1e30))', 'scores']],
  'no attention scale': [['.div(Dk ** 0.5)', '']],
  'no embedding scale': [['.mul(dim ** 0.5)', '']],
  'K̂ and V̂ without their norm': [["this.norm(x, 'cross_decoder.kv_layer_norm')", 'x']],
  'the cross-decoder reads the first token': [['[0, tokens[0].length - 1]', '[0, 0]']],
};

describe('the comparison with the official numbers notices', () => {
  const golden = () =>
    new GoldenFile(join(__dirname, '../golden/data/model_yoco_gret_a.safetensors'));
  it('nothing in the file as it is', () => compareInference(golden(), load(source)));
  it.each(Object.entries(mistakes))('%s', (_, edits) => {
    let text = source;
    for (const [right, wrong] of edits) {
      expect(text.split(right), `the line of ${right}`).toHaveLength(2);
      text = text.replace(right, wrong);
    }
    expect(() => compareInference(golden(), load(text))).toThrow(/worst error|greedy_tokens/);
  });
});
