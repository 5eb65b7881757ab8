/**
 * A comparison is worth what it refuses. A file with one wrong number, a name too many or a kind
 * nobody knows must fail
 * with its name; and a model with one of the famous mistakes must not pass for the official one.
 */
import { mkdtempSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GlobalKeysValues } from '../../src/attention/cross-attention';
import type { RMSNorm } from '../../src/layers/rms-norm';
import type { ModelConfig, YocoConfig } from '../../src/models/config';
import { createModel } from '../../src/models/presets';
import {
  loadSafetensors,
  type SafetensorsFile,
  saveSafetensors,
} from '../../src/weights/safetensors';
import type { StateTensor } from '../../src/weights/state-dict';
import { useTestEngine } from '../helpers';
import { compareFile } from './compare-file';
import { compareModel } from './compare-models';
import { GoldenFile } from './golden-file';

beforeAll(useTestEngine);
const folder = mkdtempSync(join(tmpdir(), 'cache-once-golden-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const original = (name: string): string => join(__dirname, 'data', `${name}.safetensors`);

/** A copy of a reference file with something changed in it. */
function changed(name: string, change: (file: SafetensorsFile) => void): GoldenFile {
  const file = loadSafetensors(original(name));
  change(file);
  const path = join(folder, `${name}.safetensors`);
  saveSafetensors(path, file.tensors, file.metadata);
  return new GoldenFile(path);
}
const one = (file: SafetensorsFile, name: string): StateTensor => file.tensors.get(name)!;
/** A change of the metadata. */
const says =
  (entries: Record<string, string>) =>
  (file: SafetensorsFile): void =>
    void Object.assign(file.metadata, entries);
/** Keeps a single case, so that a mistake costs no more time than its case. */
function only(file: SafetensorsFile, c: string): void {
  for (const name of file.tensors.keys()) if (!name.startsWith(`${c}/`)) file.tensors.delete(name);
  file.metadata.cases = c;
}

describe('a reference file that is not as it should be', () => {
  it('passes untouched, so that what follows is the change and nothing else', () => {
    const file = changed('ops_basic', () => undefined);
    compareFile(file);
    expect(file.compared).toBeGreaterThan(30);
  });
  it.each<[string, (file: SafetensorsFile) => void, RegExp]>([
    [
      'one number off by ten times the allowance',
      (file) => {
        const { data } = one(file, 'swiglu/out');
        data[7] +=
          10 *
          (10 * Number(file.metadata['f32_vs_f64_max_abs/swiglu/out']) +
            2e-6 * Math.max(...data.map(Math.abs)) +
            1e-7);
      },
      /swiglu\/out: worst error .* at \[7\]/,
    ],
    [
      'a number that is none',
      (file) => void one(file, 'rmsnorm/dx').data.fill(Number.NaN, 3),
      /rmsnorm\/dx: not finite at \[3\]/,
    ],
    [
      'a tensor under another name',
      (file) => {
        file.tensors.set('ffn/result', one(file, 'ffn/out'));
        file.tensors.delete('ffn/out');
      },
      /there is no tensor ffn\/out/,
    ],
    [
      'a tensor that nothing compares',
      (file) =>
        void file.tensors.set('ffn/surprise', {
          dtype: 'F32',
          shape: [1],
          data: Float32Array.of(1),
        }),
      /nothing compares 1 of its tensors: ffn\/surprise/,
    ],
    [
      'an output of another shape',
      (file) => void one(file, 'swiglu/out').shape.reverse(),
      /swiglu\/out: got shape \[6,11\], want \[11,6\]/,
    ],
    [
      'a kind that nobody knows',
      says({ kind: 'ops_new' }),
      /nothing here knows the kind ops_new; known: ops_basic, /,
    ],
    [
      'an operation that nobody knows',
      says({ 'swiglu.op': 'reglu' }),
      /swiglu is of the unknown operation reglu/,
    ],
    ['a case without tensors', says({ cases: 'swiglu,swiglu_missing' }), /no swiglu_missing\.op/],
  ])('%s is a failure with its name', (_, change, word) => {
    const file = changed('ops_basic', change);
    expect(() => compareFile(file)).toThrow(word);
  });
  it('cut short, it is refused before anything is compared', () => {
    const path = join(folder, 'short.safetensors');
    saveSafetensors(path, loadSafetensors(original('ops_basic')).tensors);
    truncateSync(path, 5000);
    expect(() => new GoldenFile(path)).toThrow(/short\.safetensors/);
  });
});

/**
 * Compares a changed file and returns by how much its worst tensor missed, in allowances; 0 if it
 * passed.
 */
function missedBy(compare: () => void): number {
  try {
    tf.tidy(compare);
  } catch (error) {
    const found = /worst error ([\d.e+-]+) .*allowed ([\d.e+-]+)\./s.exec((error as Error).message);
    if (!found) throw error;
    return Number(found[1]) / Number(found[2]);
  }
  return 0;
}
/**
 * Far beyond the tolerance: what we call a mistake must not hide in a tolerance a little too wide.
 */
const FAR = 10;

describe('operations with a common mistake do not pass', () => {
  const shift = ({ data, shape }: StateTensor): void => {
    const N = shape.at(-1)!;
    for (let row = 0; row < data.length; row += N) data.copyWithin(row, row + 1, row + N);
  };
  /** [B, N, H, D]: heads in another order. */
  const permuteHeads = ({ data, shape }: StateTensor, order: number[]): void => {
    const [B, N, H, D] = shape as [number, number, number, number];
    const before = data.slice();
    for (let row = 0; row < B * N; row++)
      for (const [to, from] of order.entries())
        data.set(
          before.subarray((row * H + from) * D, (row * H + from + 1) * D),
          (row * H + to) * D,
        );
  };
  it.each<[string, string, string, (file: SafetensorsFile) => void]>([
    [
      'SwiGLU with its arguments swapped',
      'ops_basic',
      'swiglu',
      ({ tensors }) => swap(tensors, 'swiglu/x', 'swiglu/y'),
    ],
    [
      'features paired half-split instead of with their neighbour, at the usual speeds',
      'ops_basic',
      'rotary_yoco_offset',
      says({ 'rotary_yoco_offset.style': 'half_split' }),
    ],
    [
      'positions that start at 0',
      'ops_basic',
      'rotary_yoco_offset',
      says({ 'rotary_yoco_offset.start_pos': '0' }),
    ],
    [
      'an eps a hundred times larger',
      'ops_basic',
      'rmsnorm_small_input',
      says({ 'rmsnorm_small_input.eps': '1e-3' }),
    ],
    [
      'decay off by one token',
      'ops_gated_retention',
      'moderate',
      (file) => shift(one(file, 'moderate/log_gate')),
    ],
    [
      'no decay at all',
      'ops_gated_retention',
      'with_state',
      (file) => void one(file, 'with_state/log_gate').data.fill(0),
    ],
    [
      'a state that is not carried in',
      'ops_gated_retention',
      'with_state',
      (file) => void one(file, 'with_state/state_in').data.fill(0),
    ],
    ['a window one too wide', 'ops_attention', 'window3', says({ 'window3.window': '4' })],
    ['a window one too narrow', 'ops_attention', 'window3', says({ 'window3.window': '2' })],
    [
      'key/value heads tiled instead of grouped',
      'ops_attention',
      'gqa2',
      (file) => {
        // Query heads 0 1 2 3 share keys 0 0 1 1; tiled they would share 0 1 0 1, which is what
        // queries 0 2 1 3 meet when grouped.
        permuteHeads(one(file, 'gqa2/q'), [0, 2, 1, 3]);
      },
    ],
    [
      'cross-attention whose queries all stand at 0',
      'layer_cross_attention',
      'cross_offset',
      (file) => rotateKeysBy(one(file, 'cross_offset/key'), 3),
    ],
  ])('%s', (_, name, c, change) => {
    const file = changed(name, (f) => {
      only(f, c);
      change(f);
    });
    expect(missedBy(() => compareFile(file))).toBeGreaterThan(FAR);
  });
  function swap(tensors: SafetensorsFile['tensors'], a: string, b: string): void {
    const held = tensors.get(a)!;
    tensors.set(a, tensors.get(b)!);
    tensors.set(b, held);
  }
  /** Moves every key `by` places on: the same as queries that stand elsewhere. */
  function rotateKeysBy({ data, shape }: StateTensor, by: number): void {
    const row = shape[2] * shape[3];
    data.copyWithin(row * by, 0, data.length - row * by);
  }
});

describe('a greedy continuation is optional', () => {
  const without = (also: (file: SafetensorsFile) => void) => (): void => {
    const file = changed('model_yoco_gret_c', (content) => {
      for (const key of Object.keys(content.metadata))
        if (key.includes('greedy')) delete content.metadata[key];
      also(content);
    });
    compareFile(file);
  };
  it('a case without one is compared in all that it has', () => {
    expect(without(({ tensors }) => void tensors.delete('full/greedy_tokens'))).not.toThrow();
  });
  it('a continuation without its prompt is a tensor that nothing compares', () => {
    expect(without(() => undefined)).toThrow(/nothing compares 1 .*full\/greedy_tokens/);
  });
});

describe('a model with a common mistake does not pass', () => {
  const { forward } = GlobalKeysValues.prototype;
  const mistaken = (
    name: string,
    mistake: Partial<YocoConfig>,
    file = new GoldenFile(original(name)),
  ): number =>
    missedBy(() =>
      compareModel(file, file.cases[0], (config: ModelConfig) =>
        createModel({ ...config, ...mistake } as ModelConfig),
      ),
    );
  it('passes without one', () => {
    expect(mistaken('model_yoco_gret_c', {})).toBe(0);
  });
  it.each<[string, Partial<YocoConfig>]>([
    ['no √dim on the embedding', { embeddingScale: false }],
    ['the usual rotary frequencies', { rotaryFrequencies: 'standard' }],
    ['another rotary base', { ropeTheta: 10_000 }],
    ['a gate divided by 8 instead of 16', { gateTemperature: 8 }],
    ['a gate without its temperature', { gateTemperature: 1 }],
    ['fixed decay in place of the gates', { gateTemperature: 1e6 }],
    ['an eps of 1e-3', { normEps: 1e-3 }],
  ])('gated retention: %s', (_, change) => {
    expect(mistaken('model_yoco_gret_c', change)).toBeGreaterThan(FAR);
  });
  it('keys without their scale: the norm hides it in the logits, the state shows it', () => {
    // Dk^-½ falls out of the norm but for eps; the state is √Dk times too large, and every cache
    // comparison says so.
    expect(mistaken('model_yoco_gret_c', { keyScale: false })).toBeGreaterThan(FAR);
  });
  it.each([-1, 1])('sliding window: off by %i', (by) => {
    expect(mistaken('model_yoco_swa_a', { windowSize: 4 + by })).toBeGreaterThan(FAR);
  });
  it('K̂ and V̂ without their norm', () => {
    withForward(
      function (this: GlobalKeysValues, x, start) {
        const layer = this as unknown as { norm: Pick<RMSNorm, 'forward'> };
        const { norm } = layer;
        layer.norm = { forward: (unnormed) => unnormed };
        const keysValues = forward.call(this, x, start);
        layer.norm = norm;
        return keysValues;
      },
      () => expect(mistaken('model_yoco_gret_c', {})).toBeGreaterThan(FAR),
    );
  });
  it('keys of the global cache rotated as if every chunk began at position 0', () => {
    withForward(
      function (this: GlobalKeysValues, x) {
        return forward.call(this, x, 0);
      },
      () => expect(mistaken('model_yoco_gret_c', {})).toBeGreaterThan(FAR),
    );
  });
  function withForward(mistake: GlobalKeysValues['forward'], work: () => void): void {
    GlobalKeysValues.prototype.forward = mistake;
    try {
      work();
    } finally {
      GlobalKeysValues.prototype.forward = forward;
    }
  }
});
