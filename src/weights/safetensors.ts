/**
 * safetensors, the file format of the weights: eight bytes give the length of the header, the
 * header (JSON) says where each tensor lies, the rest is plain numbers. Nothing in it can run.
 *
 * A file from elsewhere may be truncated or hostile: every length and offset is checked before it
 * is used. Source of the format: github.com/huggingface/safetensors. Read here: F32 and I32,
 * little-endian.
 */
import { readFileSync } from 'node:fs';
import { shown } from '../tensor/shapes';
import { atomicWrite } from './atomic-write';
import type { StateDict, StateTensor } from './state-dict';

export interface SafetensorsFile {
  metadata: Record<string, string>;
  tensors: StateDict;
}
type Entry = Pick<StateTensor, 'dtype' | 'shape'> & { start: number; end: number };

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
  const header = parseHeader(bytes.subarray(8, dataStart), refuse);
  const metadata = header.get('__metadata__') ?? {};
  if (!isStrings(metadata)) return refuse('__metadata__ is not an object of strings.');
  header.delete('__metadata__');
  const entries = new Map<string, Entry>();
  for (const [name, entry] of header) entries.set(name, readEntry(name, entry, dataLength, refuse));
  checkLayout(entries, dataLength, refuse);

  const tensors: StateDict = new Map();
  for (const [name, { dtype, shape, start, end }] of entries) {
    // A copy is aligned, and does not keep the file's bytes alive.
    const { buffer } = new Uint8Array(bytes.subarray(dataStart + start, dataStart + end));
    const data = dtype === 'F32' ? new Float32Array(buffer) : new Int32Array(buffer);
    tensors.set(name, { dtype, shape, data });
  }
  return { metadata, tensors };
}

type Refuse = (what: string) => never;
const isObject = (x: unknown): x is Record<string, unknown> =>
  typeof x === 'object' && x !== null && !Array.isArray(x);
const isStrings = (x: unknown): x is Record<string, string> =>
  isObject(x) && Object.values(x).every((value) => typeof value === 'string');

function parseHeader(bytes: Uint8Array, refuse: Refuse): Map<string, unknown> {
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    if (error instanceof SyntaxError) refuse(`the header is not JSON (${error.message}).`);
    refuse('the header is not UTF-8 text. Is it a safetensors file?');
  }
  if (!isObject(header)) return refuse('the header is JSON, but not an object of tensors.');
  return new Map(Object.entries(header));
}

function readEntry(name: string, entry: unknown, dataLength: number, refuse: Refuse): Entry {
  if (!isObject(entry))
    return refuse(`${name} is described by ${JSON.stringify(entry)}; it needs an object.`);
  const { dtype, shape, data_offsets: offsets } = entry;
  if (dtype !== 'F32' && dtype !== 'I32')
    return refuse(`${name} is ${shown(dtype)}; F32 and I32 are read. Convert it to float32 first.`);
  if (!isSizes(shape))
    return refuse(`${name} has shape ${JSON.stringify(shape)}; give whole numbers, 0 or more.`);
  if (!isSizes(offsets) || offsets.length !== 2)
    return refuse(`${name} has data_offsets ${JSON.stringify(offsets)}; give two whole numbers.`);
  const [start, end] = offsets;
  if (start > end || end > dataLength)
    refuse(`${name} lies at bytes ${start} to ${end}, but the data has ${dataLength}; truncated?`);
  const needed = 4 * numbersIn(shape);
  if (needed !== end - start)
    refuse(`${name} [${shape}] needs ${needed} bytes, its data_offsets give ${end - start}.`);
  return { dtype, shape, start, end };
}

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
      refuse(`${name} begins at byte ${start}, ${problem}; it must begin at ${expected}.`);
    expected = end;
  }
  if (expected !== dataLength)
    refuse(`the tensors take ${expected} bytes, but ${dataLength} follow the header.`);
}

/** The same numbers give the same bytes. @throws RangeError if data and shape disagree. */
export function writeSafetensors(
  tensors: StateDict,
  metadata: Record<string, string> = {},
): Uint8Array {
  // Text, entry by entry: an object would treat a tensor called __proto__ in its own way.
  const header: string[] = [];
  const addEntry = (name: string, entry: object) =>
    header.push(`${JSON.stringify(name)}:${JSON.stringify(entry)}`);
  if (Object.keys(metadata).length > 0) addEntry('__metadata__', metadata);
  let end = 0;
  for (const [name, { dtype, shape, data }] of tensors) {
    if (name === '__metadata__')
      throw new RangeError('writeSafetensors: a tensor cannot be called __metadata__.');
    if (numbersIn(shape) !== data.length)
      throw new RangeError(`writeSafetensors: ${name} [${shape}] has ${data.length} numbers.`);
    addEntry(name, { dtype, shape, data_offsets: [end, end + data.byteLength] });
    end += data.byteLength;
  }
  const json = new TextEncoder().encode(`{${header.join(',')}}`);
  const headerBytes = Math.ceil(json.length / 8) * 8; // filled with spaces: the data is aligned
  const bytes = new Uint8Array(8 + headerBytes + end).fill(0x20, 8, 8 + headerBytes);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(headerBytes), true);
  bytes.set(json, 8);
  let position = 8 + headerBytes;
  for (const { data } of tensors.values()) {
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), position);
    position += data.byteLength;
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
  keepOldAs?: string,
): void {
  atomicWrite(path, writeSafetensors(tensors, metadata), keepOldAs);
}
