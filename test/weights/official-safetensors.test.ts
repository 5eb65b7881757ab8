/**
 * The official Python package and this book read each other's files.
 *
 * Needs Python, its venv and pip, and the package index. Where one of them is missing the tests are
 * skipped and name it; in CI that is a failure.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { toBF16 } from '../../src/weights/half-precision';
import { loadSafetensors, saveSafetensors } from '../../src/weights/safetensors';
import { loadWeights } from '../../src/weights/sharded';
import type { StateDict } from '../../src/weights/state-dict';
import { pythonWith } from './python';

const folder = mkdtempSync(join(tmpdir(), 'official-'));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string): string => join(folder, name);

let python: string | undefined;
let missing = '';
beforeAll(async () => {
  try {
    python = await pythonWith('python-safetensors', join(__dirname, 'requirements.txt'));
  } catch (error) {
    if (process.env.CI) throw error;
    missing = (error as Error).message;
  }
  if (python) official('write', folder);
}, 600_000);

/** What the script prints. @throws Error with Python's message. */
const official = (command: string, path: string): string =>
  execFileSync(python!, [join(__dirname, 'official_files.py'), command, path], {
    encoding: 'utf8',
  });
beforeEach(({ skip }) => skip(!python, missing));

describe('files of the official package', () => {
  it('float32 and int32, with any shape, name and metadata', () => {
    const { tensors, metadata, note } = loadSafetensors(at('float32.safetensors'));
    expect(metadata).toEqual({ format: 'np', über: '…' });
    expect(note).toBeUndefined();
    const shapes = [...tensors].map(([name, { shape }]) => [name, shape]);
    expect(new Map(shapes as [string, number[]][])).toEqual(
      new Map([
        ['numbers', [3, 5]],
        ['whole', [3]],
        ['none', [0, 3]],
        ['one', []],
        ['名前 "\\ é', [5]],
      ]),
    );
    expect([...tensors.get('whole')!.data]).toEqual([-(2 ** 31), 0, 2 ** 31 - 1]);
    expect([...tensors.get('one')!.data]).toEqual([0.5]);
    expect(tensors.get('名前 "\\ é')!.data).toEqual(tensors.get('numbers')!.data.slice(0, 5));
  });
  it.each(['float16', 'bfloat16'])('%s: all 65,536 numbers as Python converts them', (name) => {
    const { tensors, note } = loadSafetensors(at(`${name}.safetensors`));
    const [half, expected] = ['half', 'expected'].map((tensor) => tensors.get(tensor)!);
    expect(half.shape).toEqual(expected.shape);
    expect(half.data.length).toBe(2 ** 16);
    const wrong = [...half.data.keys()].filter((i) => !Object.is(half.data[i], expected.data[i]));
    expect(wrong).toEqual([]);
    expect(note).toContain('1 of 2 tensors are stored in half precision');
  });
  it('in shards', () => {
    const { tensors } = loadWeights(at('model.safetensors.index.json'));
    const numbers = loadSafetensors(at('float32.safetensors')).tensors.get('numbers')!;
    expect([...tensors.keys()].sort()).toEqual(['a', 'b', 'c']);
    expect(tensors.get('a')).toEqual(numbers);
    expect([...tensors.get('b')!.data]).toEqual([...numbers.data].map((x) => Math.fround(x + 1)));
    expect(tensors.get('c')!.data[1]).toBe(2 ** -24);
  });
  it('other numbers are refused', () => {
    for (const dtype of ['F64', 'I64', 'BOOL'])
      expect(() => loadSafetensors(at(`${dtype}.safetensors`))).toThrow(
        `is "${dtype}"; F32, I32, F16, BF16 are read. Convert it first.`,
      );
  });
});

describe('our files in the official package', () => {
  const numbers = Float32Array.of(1, -0.3, 1e-30, 65_504, 2 ** -24, 3e38);
  const dict: StateDict = new Map([
    ['weights', { dtype: 'F32', shape: [2, 3], data: numbers }],
    ['ids', { dtype: 'I32', shape: [2], data: Int32Array.of(7, -7) }],
    ['none', { dtype: 'F32', shape: [0], data: new Float32Array(0) }],
  ]);
  const hex = ({ buffer }: { buffer: ArrayBufferLike }) => Buffer.from(buffer).toString('hex');
  it.each(['F32', 'BF16'] as const)('%s', (floatsAs) => {
    const path = at(`ours-${floatsAs}.safetensors`);
    saveSafetensors(path, dict, { by: 'us' }, { floatsAs });
    const stored = floatsAs === 'BF16' ? toBF16(numbers) : numbers;
    expect(JSON.parse(official('read', path))).toEqual({
      weights: { dtype: floatsAs, shape: [2, 3], bytes: hex(stored) },
      ids: { dtype: 'I32', shape: [2], bytes: hex(Int32Array.of(7, -7)) },
      none: { dtype: floatsAs, shape: [0], bytes: '' },
    });
  });
});
