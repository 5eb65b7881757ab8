/** Correct files are read back exactly; truncated and hostile ones are refused with a reason. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { createModel, preset } from '../../src/models/presets';
import {
  loadSafetensors,
  readSafetensors,
  saveSafetensors,
  writeSafetensors,
} from '../../src/weights/safetensors';
import {
  loadStateDict,
  type StateDict,
  type StateTensor,
  toStateDict,
} from '../../src/weights/state-dict';
import { useTestEngine } from '../helpers';

const f32 = (shape: number[], ...numbers: number[]): StateTensor => ({
  dtype: 'F32',
  shape,
  data: Float32Array.from(numbers),
});
/** A file with any header, correct or not. */
function fileOf(header: unknown, dataBytes = 8, announced?: bigint): Uint8Array {
  const json = new TextEncoder().encode(
    typeof header === 'string' ? header : JSON.stringify(header),
  );
  const bytes = new Uint8Array(8 + json.length + dataBytes);
  new DataView(bytes.buffer).setBigUint64(0, announced ?? BigInt(json.length), true);
  bytes.set(json, 8);
  return bytes;
}
function errorOf(work: () => unknown): Error {
  try {
    work();
  } catch (error) {
    return error as Error;
  }
  throw new Error('nothing was thrown');
}
const entry = (dtype: unknown, shape: unknown, data_offsets: unknown) => ({
  dtype,
  shape,
  data_offsets,
});

describe('what is written is read back', () => {
  it('for any names, shapes, numbers and metadata', () => {
    const numbers = fc.array(fc.float({ noNaN: true }), { minLength: 0, maxLength: 6 });
    const name = fc.string({ minLength: 1, maxLength: 8 }).filter((s) => s !== '__metadata__');
    fc.assert(
      fc.property(
        fc.dictionary(name, numbers),
        fc.dictionary(
          fc.string({ minLength: 1 }).filter((s) => s !== '__proto__'),
          fc.string(),
        ),
        (tensors, metadata) => {
          const dict: StateDict = new Map(
            Object.entries(tensors).map(([key, list]) => [key, f32([list.length], ...list)]),
          );
          const back = readSafetensors(writeSafetensors(dict, metadata));
          expect([...back.tensors]).toEqual([...dict]);
          expect(back.metadata).toEqual({ ...metadata });
        },
      ),
    );
  });
  it('from a Buffer as from any bytes, as a copy', () => {
    const bytes = Buffer.concat([
      Buffer.from('xxx'),
      writeSafetensors(new Map([['a', f32([2], 1, 2)]])),
    ]).subarray(3);
    const { tensors } = readSafetensors(bytes);
    bytes.fill(0);
    expect(Array.from(tensors.get('a')!.data)).toEqual([1, 2]);
  });
  it('on disk; a refused save leaves the old file', () => {
    const folder = mkdtempSync(join(tmpdir(), 'safetensors-'));
    const path = join(folder, 'a.safetensors');
    saveSafetensors(path, new Map([['a', f32([1], 3)]]));
    expect(() => saveSafetensors(path, new Map([['a', f32([2], 3)]]))).toThrow(
      /a \[2\] has 1 numbers/,
    );
    expect(Array.from(loadSafetensors(path).tensors.get('a')!.data)).toEqual([3]);
    expect(readdirSync(folder)).toEqual(['a.safetensors']);
    writeFileSync(path, 'no');
    expect(() => loadSafetensors(path)).toThrow(/a.safetensors: the file has 2 bytes/);
    rmSync(folder, { recursive: true });
  });
});

describe('a truncated or hostile file is refused, and the tensor is named', () => {
  it.each([
    ['an announced header beyond the file', fileOf({}, 8, 999n), /header is said to be 999 bytes/],
    [
      'an absurd header length',
      fileOf({}, 8, 2n ** 63n),
      /header is said to be 9223372036854775808/,
    ],
    ['a header that is not JSON', fileOf('{"a":', 0), /x: header: this is not JSON/],
    [
      'a header that is not UTF-8',
      (() => {
        const bytes = fileOf('{}', 0);
        bytes[8] = 0xff;
        return bytes;
      })(),
      /not UTF-8/,
    ],
    ['a header that is a list', fileOf('[]', 0), /not an object of tensors/],
    [
      'metadata of numbers',
      fileOf({ __metadata__: { a: 1 } }, 0),
      /__metadata__ is not an object of strings/,
    ],
    ['an entry that is not an object', fileOf({ a: 5 }), /a is described by 5/],
    [
      'double precision',
      fileOf({ a: entry('F64', [1], [0, 8]) }),
      /a is "F64"; F32, I32, F16, BF16 are read/,
    ],
    ['whole numbers of 64 bits', fileOf({ a: entry('I64', [1], [0, 8]) }), /a is "I64"; F32/],
    ['no dtype', fileOf({ a: { shape: [2] } }), /a is undefined; F32/],
    [
      'half precision with the bytes of float32',
      fileOf({ a: entry('BF16', [2], [0, 8]) }),
      /a \[2\] in BF16 needs 4 bytes, its data_offsets give 8/,
    ],
    [
      'a name that stands twice',
      fileOf('{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{}}'),
      /header: a stands twice/,
    ],
    [
      'a name that stands twice, once in disguise',
      fileOf('{"a":{},"\\u0061":{}}'),
      /a stands twice/,
    ],
    [
      'a field that stands twice',
      fileOf('{"a":{"dtype":"F32","dtype":"I32"}}'),
      /dtype stands twice/,
    ],
    ['a negative size', fileOf({ a: entry('F32', [-2], [0, 8]) }), /a has shape \[-2\]/],
    ['a fraction', fileOf({ a: entry('F32', [0.5], [0, 8]) }), /a has shape \[0.5\]/],
    [
      'a size that overflows',
      fileOf({ a: entry('F32', [2 ** 30, 2 ** 30], [0, 8]) }),
      /needs 4611686018427388000 bytes/,
    ],
    ['reversed offsets', fileOf({ a: entry('F32', [2], [8, 0]) }), /lies at bytes 8 to 0/],
    [
      'offsets beyond the data',
      fileOf({ a: entry('F32', [4], [0, 16]) }),
      /lies at bytes 0 to 16, but the data has 8/,
    ],
    [
      'a shape that needs other bytes',
      fileOf({ a: entry('F32', [3], [0, 8]) }),
      /a \[3\] in F32 needs 12 bytes, its data_offsets give 8/,
    ],
    [
      'an overlap',
      fileOf({ a: entry('F32', [2], [0, 8]), b: entry('F32', [1], [4, 8]) }),
      /b begins at byte 4, inside another tensor/,
    ],
    ['a gap', fileOf({ a: entry('F32', [1], [4, 8]) }), /after a gap/],
    [
      'bytes that belong to no tensor',
      fileOf({ a: entry('F32', [1], [0, 4]) }),
      /take 4 bytes, but 8 follow/,
    ],
    ['an empty file', new Uint8Array(0), /the file has 0 bytes/],
    ['a length that is cut', new Uint8Array(7), /the file has 7 bytes; the length of the header/],
    [
      'a header above the limit of the format',
      fileOf('', 1e8 + 1, 100_000_001n),
      /header is said to be 100000001 bytes/,
    ],
    ['a length and nothing after it', fileOf('', 0), /x: header: this is not JSON/],
  ])('%s', (_, bytes, message) => {
    expect(() => readSafetensors(bytes, { where: 'x' })).toThrow(message);
    expect(() => readSafetensors(bytes, { where: 'x' })).toThrow(RangeError);
  });
  it.each([
    ['brackets', '['],
    ['objects', '{"a":'],
    ['lists in a shape', '{"a":{"shape":['],
  ])('ten megabytes of nested %s: the fourth bracket ends it', (_, opening) => {
    const bytes = fileOf(opening.repeat(1e7 / opening.length), 0);
    expect(() => readSafetensors(bytes)).toThrow(/nested more than 3 deep at character \d{1,2}\./);
  });
  it('a long or malicious name is quoted in at most 200 characters, without control codes', () => {
    const names = ['x'.repeat(1e6), '\u001b[2J\n'.repeat(1000)];
    for (const name of names) {
      const files = [
        fileOf({ [name]: 5 }),
        fileOf({ [name]: entry(name, [2], [0, 8]) }),
        fileOf({ [name]: entry('F32', new Array(5000).fill(-1), [0, 8]) }),
        fileOf({ [name]: entry('F32', [2], new Array(5000).fill(0)) }),
        fileOf({ [name]: entry('F32', new Array(5000).fill(1), [0, 8]) }),
        fileOf({ [name]: entry('F32', [1], [4, 8]) }),
        fileOf(`{${JSON.stringify(name)}:1,${JSON.stringify(name)}:2}`),
      ];
      for (const bytes of files) {
        const { message } = errorOf(() => readSafetensors(bytes));
        expect(message.length).toBeLessThan(500); // a name, a value, and what we say about them
        // biome-ignore lint/suspicious/noControlCharactersInRegex: that is the point
        expect(message).not.toMatch(/[\x00-\x1f]/);
      }
    }
  });
  it('changed or cut at random, a file is read or refused with a RangeError', () => {
    const good = writeSafetensors(
      new Map([
        ['a', f32([2], 1, 2)],
        ['b', f32([1, 1], 3)],
      ]),
      { m: 'x' },
    );
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        fc.nat(good.length),
        (flips, cut) => {
          const bytes = good.slice(0, cut);
          for (const [at, value] of flips) if (at < cut) bytes[at] = value;
          try {
            readSafetensors(bytes);
          } catch (error) {
            expect(error).toBeInstanceOf(RangeError);
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe('weights into a model', () => {
  beforeAll(useTestEngine);
  const change = (edit: (dict: StateDict) => void): [ReturnType<typeof createModel>, StateDict] => {
    const model = createModel(preset('tiny-yoco'), { seed: 1 });
    const dict = new Map([
      ...toStateDict(createModel(preset('tiny-yoco'), { seed: 2 }).parameters),
    ]);
    edit(dict);
    return [model, dict];
  };
  const name = 'self_decoder.layers.0.mixer.q_proj.weight';
  it.each<[string, (dict: StateDict) => void, RegExp]>([
    ['missing', (d) => d.delete(name), new RegExp(`w: ${name} is missing`)],
    [
      'surplus',
      (d) => d.set('extra.weight', f32([1], 0)),
      /extra.weight has no place in this config/,
    ],
    [
      'of another shape',
      (d) => d.set(name, { dtype: 'F32', shape: [64, 32], data: new Float32Array(2048) }),
      /is \[64, 32\], the config asks for \[32, 32\]/,
    ],
    [
      'whole numbers',
      (d) => d.set(name, { dtype: 'I32', shape: [32, 32], data: new Int32Array(1024) }),
      /is I32; weights are F32/,
    ],
    [
      'NaN',
      (d) => (d.get('layer_norm.weight')!.data[3] = NaN),
      /layer_norm.weight holds NaN at element 3/,
    ],
  ])('%s: refused by name, and no weight changes', (_, edit, message) => {
    const [model, dict] = change(edit);
    const before = [...toStateDict(model.parameters)];
    expect(() => loadStateDict(model.parameters, dict, { where: 'w' })).toThrow(message);
    expect([...toStateDict(model.parameters)]).toEqual(before);
    model.dispose();
  });
  it('correct ones are loaded; matrices are stored as [out, in]', () => {
    const [model, dict] = change(() => undefined);
    loadStateDict(model.parameters, dict);
    expect([...toStateDict(model.parameters)]).toEqual([...dict]);
    expect(
      toStateDict(model.parameters).get('self_decoder.layers.0.ffn.fc1.weight')!.shape,
    ).toEqual([64, 32]);
    model.dispose();
  });
});
