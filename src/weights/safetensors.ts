/**
 * safetensors, the file format of the weights: eight bytes give the length of the header, the
 * header (JSON) says where each tensor lies, the rest is plain numbers. Nothing in it can run.
 *
 * A file from elsewhere may be truncated or hostile: every length and offset is checked before it
 * is used. Source of the format: github.com/huggingface/safetensors. Little-endian.
 *
 *   stored as   is read as                 is written
 *   F32, I32    itself                     yes
 *   F16         float32, exactly           no
 *   BF16        float32, exactly           on request, rounded to the nearest
 */
import { readFileSync } from 'node:fs';
import { shown, shownName } from '../tensor/shapes';
import { atomicWrite } from './atomic-write';
import { fromBF16, fromF16, toBF16 } from './half-precision';
import type { StateDict, StateTensor } from './state-dict';
import { isObject, parseStrictJson, type Refuse } from './strict-json';

const bytesOf = { F32: 4, I32: 4, F16: 2, BF16: 2 } as const;
export type StoredDtype = keyof typeof bytesOf;
const storedDtypes = Object.keys(bytesOf) as StoredDtype[];

export interface SafetensorsFile {
  metadata: Record<string, string>;
  tensors: StateDict;
  /** How the file holds each tensor. */
  storedAs: Map<string, StoredDtype>;
  /** In words, if tensors are held in half precision and were converted. */
  note?: string;
}
export interface WriteOptions {
  /** BF16 takes half the space and keeps two to three digits of each number. Default F32. */
  floatsAs?: 'F32' | 'BF16';
}
interface Entry {
  dtype: StoredDtype;
  shape: number[];
  start: number;
  end: number;
}

/** The format's own limit for a header. */
const maxHeaderBytes = 100_000_000;

/** @throws RangeError naming `where` and the tensor if anything is not as the format says. */
export function readSafetensors(
  bytes: Uint8Array,
  { where = 'safetensors' }: { where?: string } = {},
): SafetensorsFile {
  const refuse = (what: string): never => {
    throw new RangeError(`${where}: ${what}`);
  };
  const { length } = bytes;
  if (length < 8) refuse(`the file has ${length} bytes; the length of the header alone takes 8.`);
  const headerBytes = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
  if (headerBytes > maxHeaderBytes || 8n + headerBytes > length)
    refuse(
      `the header is said to be ${headerBytes} bytes long, but the file has ${length}. It is ` +
        `truncated, or not a safetensors file.`,
    );
  const dataStart = 8 + Number(headerBytes);
  const dataLength = length - dataStart;
  const header = parseHeader(bytes.subarray(8, dataStart), (what) => refuse(`header: ${what}`));
  const metadata = header.get('__metadata__') ?? {};
  if (!isStrings(metadata)) return refuse('__metadata__ is not an object of strings.');
  header.delete('__metadata__');
  const entries = new Map<string, Entry>();
  for (const [name, entry] of header) entries.set(name, readEntry(name, entry, dataLength, refuse));
  checkLayout(entries, dataLength, refuse);

  const tensors: StateDict = new Map();
  const storedAs: SafetensorsFile['storedAs'] = new Map();
  for (const [name, { dtype, shape, start, end }] of entries) {
    // A copy is aligned, and does not keep the file's bytes alive.
    const { buffer } = new Uint8Array(bytes.subarray(dataStart + start, dataStart + end));
    tensors.set(name, { shape, ...numbersFrom(buffer, dtype) });
    storedAs.set(name, dtype);
  }
  return { metadata, tensors, storedAs, note: conversionNote(where, storedAs) };
}

function numbersFrom(buffer: ArrayBuffer, dtype: StoredDtype): Pick<StateTensor, 'dtype' | 'data'> {
  if (dtype === 'I32') return { dtype: 'I32', data: new Int32Array(buffer) };
  if (dtype === 'F16') return { dtype: 'F32', data: fromF16(new Uint16Array(buffer)) };
  if (dtype === 'BF16') return { dtype: 'F32', data: fromBF16(new Uint16Array(buffer)) };
  return { dtype: 'F32', data: new Float32Array(buffer) };
}

/** @returns undefined if nothing was converted. */
export function conversionNote(
  where: string,
  storedAs: ReadonlyMap<string, StoredDtype>,
): string | undefined {
  const half = [...storedAs.values()].filter((dtype) => dtype === 'F16' || dtype === 'BF16');
  if (half.length === 0) return undefined;
  const kinds = [...new Set(half)].join(' and ');
  return (
    `${where}: ${half.length} of ${storedAs.size} tensors are stored in half precision ` +
    `(${kinds}); they were read as float32, each number exactly.`
  );
}

const isStrings = (x: unknown): x is Record<string, string> =>
  isObject(x) && Object.values(x).every((value) => typeof value === 'string');

function parseHeader(bytes: Uint8Array, refuse: Refuse): Map<string, unknown> {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return refuse('this is not UTF-8 text. Is it a safetensors file?');
  }
  const header = parseStrictJson(text, 3, refuse); // { name: { shape: [ … ] } }
  if (!isObject(header)) return refuse('this is JSON, but not an object of tensors.');
  return new Map(Object.entries(header));
}

function readEntry(key: string, entry: unknown, dataLength: number, refuse: Refuse): Entry {
  const name = shownName(key);
  if (!isObject(entry))
    return refuse(`${name} is described by ${shownJson(entry)}; it needs an object.`);
  const { dtype, shape, data_offsets: offsets } = entry;
  if (!isStored(dtype))
    return refuse(
      `${name} is ${shown(dtype)}; ${storedDtypes.join(', ')} are read. Convert it first.`,
    );
  if (!isSizes(shape))
    return refuse(`${name} has shape ${shownJson(shape)}; give whole numbers, 0 or more.`);
  if (!isSizes(offsets) || offsets.length !== 2)
    return refuse(`${name} has data_offsets ${shownJson(offsets)}; give two whole numbers.`);
  const [start, end] = offsets;
  if (start > end || end > dataLength)
    refuse(`${name} lies at bytes ${start} to ${end}, but the data has ${dataLength}; truncated?`);
  const needed = bytesOf[dtype] * numbersIn(shape);
  if (needed !== end - start)
    refuse(
      `${name} ${shownJson(shape)} in ${dtype} needs ${needed} bytes, ` +
        `its data_offsets give ${end - start}.`,
    );
  return { dtype, shape, start, end };
}

const isStored = (dtype: unknown): dtype is StoredDtype =>
  storedDtypes.includes(dtype as StoredDtype);
/** The beginning of a value from the file; it may be long, and undefined. */
const shownJson = (value: unknown): string => String(JSON.stringify(value)).slice(0, 200);

const isSizes = (list: unknown): list is number[] =>
  Array.isArray(list) && list.every((n) => Number.isSafeInteger(n) && n >= 0);
const numbersIn = (shape: number[]): number => shape.reduce((product, size) => product * size, 1);

/** The tensors lie side by side: no byte belongs to two of them, none is left over. */
function checkLayout(entries: Map<string, Entry>, dataLength: number, refuse: Refuse): void {
  const inOrder = [...entries].sort(([, a], [, b]) => a.start - b.start || a.end - b.end);
  let expected = 0;
  for (const [name, { start, end }] of inOrder) {
    const problem = start < expected ? 'inside another tensor' : 'after a gap';
    if (start !== expected)
      refuse(
        `${shownName(name)} begins at byte ${start}, ${problem}; it must begin at ${expected}.`,
      );
    expected = end;
  }
  if (expected !== dataLength)
    refuse(`the tensors take ${expected} bytes, but ${dataLength} follow the header.`);
}

/** The same numbers give the same bytes. @throws RangeError if data and shape disagree. */
export function writeSafetensors(
  tensors: StateDict,
  metadata: Record<string, string> = {},
  { floatsAs = 'F32' }: WriteOptions = {},
): Uint8Array {
  if (floatsAs !== 'F32' && floatsAs !== 'BF16')
    throw new RangeError(
      `writeSafetensors: floatsAs is ${shown(floatsAs)}; F32 and BF16 are written.`,
    );
  // Text, entry by entry: an object would treat a tensor called __proto__ in its own way.
  const header: string[] = [];
  const addEntry = (name: string, entry: object) =>
    header.push(`${JSON.stringify(name)}:${JSON.stringify(entry)}`);
  if (Object.keys(metadata).length > 0) addEntry('__metadata__', metadata);
  const stored: (Float32Array | Int32Array | Uint16Array)[] = [];
  let end = 0;
  for (const [name, { dtype, shape, data }] of tensors) {
    if (name === '__metadata__')
      throw new RangeError('writeSafetensors: a tensor cannot be called __metadata__.');
    if (numbersIn(shape) !== data.length)
      throw new RangeError(`writeSafetensors: ${name} [${shape}] has ${data.length} numbers.`);
    const isHalf = data instanceof Float32Array && floatsAs === 'BF16';
    const numbers = isHalf ? toBF16(data) : data;
    stored.push(numbers);
    const data_offsets = [end, end + numbers.byteLength];
    addEntry(name, { dtype: isHalf ? 'BF16' : dtype, shape, data_offsets });
    end += numbers.byteLength;
  }
  const json = new TextEncoder().encode(`{${header.join(',')}}`);
  const headerBytes = Math.ceil(json.length / 8) * 8; // filled with spaces: the data is aligned
  const bytes = new Uint8Array(8 + headerBytes + end).fill(0x20, 8, 8 + headerBytes);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(headerBytes), true);
  bytes.set(json, 8);
  let position = 8 + headerBytes;
  for (const { buffer, byteOffset, byteLength } of stored) {
    bytes.set(new Uint8Array(buffer, byteOffset, byteLength), position);
    position += byteLength;
  }
  return bytes;
}

/** @throws Error if the file cannot be read, RangeError if it is not as the format says. */
export function loadSafetensors(path: string): SafetensorsFile {
  return readSafetensors(readFileSync(path), { where: path });
}

/** Replaces the file at once (atomic-write.ts). @throws Error if it cannot be written. */
export function saveSafetensors(
  path: string,
  tensors: StateDict,
  metadata: Record<string, string> = {},
  { keepOldAs, ...options }: WriteOptions & { keepOldAs?: string } = {},
): void {
  atomicWrite(path, writeSafetensors(tensors, metadata, options), keepOldAs);
}
