/**
 * A checkpoint with the official names, converted, is the model that it was made from.
 *
 * Needs a Python with PyTorch: in .venv/, or as `python3`. Without one these tests are skipped.
 */
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type ModelConfig, transformerConfig, yocoConfig } from '../../../src/models/config';
import type { LanguageModel } from '../../../src/models/language-model';
import { createModel } from '../../../src/models/presets';
import { convertCheckpoint, findTorch } from '../../../src/support/cli/pth-conversion';
import { projectPython } from '../../../src/support/notebook/python-environment';
import { outputOf, runQuietly } from '../../../src/support/notebook/run-command';
import { fromBF16, toBF16 } from '../../../src/weights/half-precision';
import { loadWeights } from '../../../src/weights/sharded';
import { loadStateDict, toStateDict } from '../../../src/weights/state-dict';
import { useTestEngine } from '../../helpers';

const python = [projectPython(), 'python3'].find(
  (program) => outputOf(program, ['-c', findTorch]) !== undefined,
);
beforeAll(useTestEngine);
beforeEach(({ skip }) => skip(!python, 'neither .venv/ nor python3 has PyTorch'));

const common = { vocabSize: 24, dim: 16, ffnDim: 24, heads: 4, kvHeads: 2 };
const halves = { selfHeads: 2, selfLayers: 2, crossLayers: 2 };
const window = { selfDecoder: 'sliding-window', windowSize: 3 } as const;
const params = { vocab_size: 24, dim: 16, hidden_dim: 24, n_layers: 4 };
const heads = { n_self_heads: 2, n_attn_heads: 4, n_attn_kv_heads: 2 };
const models: Record<string, [ModelConfig, Record<string, unknown>]> = {
  yoco: [yocoConfig({ ...common, ...halves }), { ...params, ...heads, max_seq_len: 4096 }],
  'yoco-window': [
    yocoConfig({ ...common, ...halves, ...window, ropeTheta: 5e6 }),
    { ...params, ...heads, sliding_window: 3, rope_theta: 5e6 },
  ],
  transformer: [
    transformerConfig({ ...common, layers: 4, headDim: 4 }),
    { ...params, n_heads: 4, n_kv_heads: 2, head_dim: 4, norm_eps: 1e-5 },
  ],
};

const folder = mkdtempSync(join(tmpdir(), 'convert-'));
const live = new Map<string, LanguageModel>();
const at = (...names: string[]): string => join(folder, ...names);
const tokens = [[3, 1, 4, 1, 5, 9, 2, 6, 5, 3]];
const logitsOf = (model: LanguageModel): number[] =>
  tf.tidy(() => [...model.forward(tokens).dataSync()]);

beforeAll(async () => {
  if (!python) return;
  for (const [name, [config, official]] of Object.entries(models)) {
    const model = createModel(config, { seed: 5 });
    live.set(name, model);
    const entries: object[] = [];
    const numbers: number[] = [];
    for (const [weight, { shape, data }] of toStateDict(model.parameters)) {
      entries.push({ name: weight, shape, start: numbers.length, size: data.length });
      numbers.push(...data);
    }
    const here = mkdtempSync(at('made-'));
    writeFileSync(join(here, 'weights.json'), JSON.stringify(entries));
    writeFileSync(join(here, 'weights.bin'), Buffer.from(Float32Array.from(numbers).buffer));
    const script = join(__dirname, 'make_pth.py');
    const { code, lines } = await runQuietly(python, [script, here]);
    if (code !== 0) throw new Error(lines.join('\n'));
    writeFileSync(join(here, 'params.json'), JSON.stringify(official));
    place.set(name, here);
  }
}, 300_000);
const place = new Map<string, string>();
afterAll(() => {
  for (const model of live.values()) model.dispose();
  rmSync(folder, { recursive: true });
});

/** The logits of the model that a converted file holds, made from the config in its metadata. */
function logitsFrom(path: string): number[] {
  const { tensors, metadata } = loadWeights(path);
  const model = createModel(JSON.parse(metadata.config));
  loadStateDict(model.parameters, tensors, { where: path });
  const logits = logitsOf(model);
  model.dispose();
  return logits;
}

const file = (name: string, pth: string): string => join(place.get(name)!, pth);
const shardBytes = 1e9;

describe('the logits are those of the model, bit by bit', { timeout: 120_000 }, () => {
  it.each([
    ['yoco', 'one state dict', ['whole.pth'], shardBytes],
    ['yoco', 'a list of two parts', ['parts.pth'], shardBytes],
    ['yoco', 'a file for each part', ['part-0.pth', 'part-1.pth'], shardBytes],
    ['yoco', 'the format before PyTorch 1.6', ['old.pth'], shardBytes],
    ['yoco', 'a list of two parts, into shards', ['parts.pth'], 4000],
    ['yoco-window', 'a list of two parts', ['parts.pth'], shardBytes],
    ['transformer', 'a list of two parts', ['parts.pth'], shardBytes],
  ])('%s: %s', async (name, what, files, shardBytes) => {
    const out = at(`${name} ${what}`);
    const paths = files.map((pth) => file(name, pth));
    const said = await convertCheckpoint(paths, { out, shardBytes });
    expect(said).toContain('The config fits the shapes');
    const path = `${out}.safetensors`;
    const isSharded = shardBytes === 4000;
    expect(existsSync(path)).toBe(!isSharded);
    const logits = logitsFrom(isSharded ? `${path}.index.json` : path);
    expect(logits).toEqual(logitsOf(live.get(name)!));
  });
});

it('bfloat16 stays bfloat16, and PyTorch rounds as we do', { timeout: 120_000 }, async () => {
  const out = at('half');
  await convertCheckpoint([file('yoco', 'half.pth')], { out, shardBytes });
  const { tensors, storedAs } = loadWeights(`${out}.safetensors`);
  expect(new Set(storedAs.values())).toEqual(new Set(['BF16']));
  for (const [weight, { data }] of toStateDict(live.get('yoco')!.parameters))
    expect(tensors.get(weight)!.data, weight).toEqual(fromBF16(toBF16(data as Float32Array)));
});

describe('is refused', { timeout: 120_000 }, () => {
  it.each([
    ['double precision', ['double.pth'], /a is torch.float64; F32, F16, BF16, I32 are converted/],
    ['something that is no tensor', ['step.pth'], /part 0 is not a dict of tensors/],
    ['vectors that differ', ['torn.pth'], /n should be the same in every part, but differs/],
    ['a weight of some parts', ['some.pth'], /n is in 2 of 3 parts; it must be in one or all/],
    ['a pickle that runs a program', ['program.pth'], /holds more than tensors/],
    ['a file that is not there', ['none.pth'], /There is no .*none.pth/],
    ['one of two parts', ['part-0.pth'], /params.json: vocabSize is 24, but .* makes it 12/],
  ])('%s', async (what, files, message) => {
    const paths = files.map((pth) => file('yoco', pth));
    const converted = convertCheckpoint(paths, { out: at(`refused ${what}`), shardBytes });
    await expect(converted).rejects.toThrow(message);
    expect(existsSync(file('yoco', 'this-ran'))).toBe(false);
    expect(readdirSync(folder).filter((name) => name.startsWith('refused'))).toEqual([]);
  });
  it('a name that is taken, and a Python without PyTorch', async () => {
    writeFileSync(at('taken.safetensors'), 'mine');
    const paths = [file('yoco', 'whole.pth')];
    const taken = convertCheckpoint(paths, { out: at('taken'), shardBytes });
    await expect(taken).rejects.toThrow(/There is already a .*taken.safetensors; delete it, or/);
    const other = { out: at('free'), python: process.execPath, shardBytes };
    const none = convertCheckpoint(paths, other);
    await expect(none).rejects.toThrow(/read by PyTorch, and none of these has it: .*--python/);
    expect(readdirSync(folder).filter((name) => name.startsWith('free'))).toEqual([]);
  });
});
