/** A checkpoint in shards is read as one, or refused by name of what does not fit together. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { saveSafetensors } from '../../src/weights/safetensors';
import { loadWeights } from '../../src/weights/sharded';
import type { StateDict } from '../../src/weights/state-dict';

const folder = mkdtempSync(join(tmpdir(), 'shards-'));
afterAll(() => rmSync(folder, { recursive: true }));

const dictOf = (numbers: Record<string, number>): StateDict =>
  new Map(
    Object.entries(numbers).map(([name, n]) => [
      name,
      { dtype: 'F32', shape: [1], data: Float32Array.of(n) },
    ]),
  );
/** Writes an index and the shards of its folder; returns the path of the index. */
function indexOf(index: unknown, shards: Record<string, Record<string, number>> = {}): string {
  const at = mkdtempSync(join(folder, 'model-'));
  for (const [file, numbers] of Object.entries(shards))
    saveSafetensors(join(at, file), dictOf(numbers), { format: 'pt' });
  const path = join(at, 'model.safetensors.index.json');
  writeFileSync(path, typeof index === 'string' ? index : JSON.stringify(index));
  return path;
}
const one = 'model-00001-of-00002.safetensors';
const two = 'model-00002-of-00002.safetensors';
const weight_map = { a: one, b: two, c: one };
const shards = { [one]: { a: 1, c: 3 }, [two]: { b: 2 } };

describe('a sharded checkpoint', () => {
  it('is read as one file', () => {
    const { tensors, metadata, note } = loadWeights(
      indexOf({ metadata: { total_size: 12 }, weight_map }, shards),
    );
    expect(new Map([...tensors].sort())).toEqual(dictOf({ a: 1, b: 2, c: 3 }));
    expect(metadata).toEqual({ format: 'pt' });
    expect(note).toBeUndefined();
  });
  it('in half precision is converted, and the note counts all shards', () => {
    const path = indexOf({ weight_map }, { [one]: { a: 1, c: 3 } });
    saveSafetensors(join(path, '..', two), dictOf({ b: 2 }), {}, { floatsAs: 'BF16' });
    const { storedAs, note } = loadWeights(path);
    expect(storedAs.get('b')).toBe('BF16');
    expect(note).toContain('index.json: 1 of 3 tensors are stored in half precision (BF16)');
  });
  it.each<[string, unknown, Record<string, Record<string, number>>, RegExp]>([
    [
      'without one of the shards',
      { weight_map },
      { [one]: shards[one] },
      /index.json: it names the shard model-00002-of-00002.safetensors, but there is no /,
    ],
    [
      'whose shard lacks a tensor',
      { weight_map },
      { [one]: { a: 1 }, [two]: { b: 2 } },
      /it places c in model-00001-of-00002.safetensors, which has no such tensor/,
    ],
    [
      'with a tensor in two shards',
      { weight_map },
      { [one]: shards[one], [two]: { b: 2, c: 3 } },
      /c is in model-00002-of-00002.safetensors, but the index places it in model-00001-of/,
    ],
    [
      'with a tensor that the index does not name',
      { weight_map },
      { [one]: shards[one], [two]: { b: 2, d: 4 } },
      /d is in model-00002-of-00002.safetensors, but not in the index/,
    ],
    [
      'that names a tensor twice',
      `{"weight_map":{"a":"${one}","a":"${two}"}}`,
      {},
      /a stands twice/,
    ],
    [
      'that leads elsewhere',
      { weight_map: { a: '../x.safetensors' } },
      {},
      /a in ..\/x.safetensors; give/,
    ],
    ['that names no file', { weight_map: { a: 5 } }, {}, /places a in 5; give the name of/],
    ['without a map', { metadata: {} }, {}, /there is no weight_map/],
    ['with an empty map', { weight_map: {} }, {}, /weight_map is empty/],
    ['that is not JSON', '{"weight_map":', {}, /index.json: this is not JSON/],
    ['of nothing but brackets', '['.repeat(1e6), {}, /nested more than 8 deep/],
  ])('%s is refused', (_, index, files, message) => {
    const path = indexOf(index, files);
    expect(() => loadWeights(path)).toThrow(message);
    expect(() => loadWeights(path)).toThrow(RangeError);
  });
  it('a single file is read as before', () => {
    const path = join(folder, 'single.safetensors');
    saveSafetensors(path, dictOf({ a: 1 }));
    expect(loadWeights(path).tensors).toEqual(dictOf({ a: 1 }));
  });
});
