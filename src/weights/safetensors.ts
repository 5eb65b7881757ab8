/**
 * safetensors: the file format of the weights. Eight bytes say how long the header is, the header (JSON) says where each
 * tensor lies, the rest is plain numbers. Nothing in it can run.
 *
 * A file from elsewhere may be truncated, or made to harm; every length and offset is checked before it is used.
 * Source of the format: github.com/huggingface/safetensors. Read here: F32 and I32, little-endian.
 */
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import type { StateDict, StateTensor } from './state-dict';

export interface SafetensorsFile {
  metadata: Record<string, string>;
  tensors: StateDict;
}
/** The format's own limit for a header. */
const LONGEST_HEADER = 100_000_000;
const refuse = (where: string, what: string): never => {
  throw new RangeError(`${where}: ${what}`);
};

/** @throws RangeError naming `where` and the tensor if anything in the file is not as the format says. */
export function readSafetensors(
  bytes: Uint8Array,
  { where = 'safetensors' }: { where?: string } = {},
): SafetensorsFile {
  if (bytes.length < 8)
    refuse(
      where,
      `the file has ${bytes.length} bytes; a safetensors file begins with 8 that give the length of its header. Is it complete?`,
    );
  const announced = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
  if (announced > BigInt(LONGEST_HEADER) || 8n + announced > BigInt(bytes.length))
    refuse(
      where,
      `the header is said to be ${announced} bytes long, but the file has ${bytes.length}. It is truncated, or no safetensors file.`,
    );
  const dataStart = 8 + Number(announced);
  const header = parseHeader(where, bytes.subarray(8, dataStart));
  const metadata = readMetadata(where, header.get('__metadata__'));
  header.delete('__metadata__');

  const dataLength = bytes.length - dataStart;
  const entries = [...header].map(([name, entry]) => ({
    name,
    ...readEntry(where, name, entry, dataLength),
  }));
  // Tensors lie side by side: no byte belongs to two of them, none to nobody.
  let expected = 0;
  for (const { name, start, end } of [...entries].sort(
    (a, b) => a.start - b.start || a.end - b.end,
  )) {
    if (start !== expected)
      refuse(
        where,
        `${name} begins at byte ${start} of the data, ${start < expected ? 'inside another tensor' : 'after a gap'}; it should begin at ${expected}.`,
      );
    expected = end;
  }
  if (expected !== dataLength)
    refuse(where, `the tensors take ${expected} bytes, but ${dataLength} follow the header.`);

  const tensors: StateDict = new Map();
  for (const { name, dtype, shape, start, end } of entries) {
    const copy = new Uint8Array(bytes.subarray(dataStart + start, dataStart + end)).buffer; // aligned, and no window on the file
    tensors.set(name, {
      dtype,
      shape,
      data: dtype === 'F32' ? new Float32Array(copy) : new Int32Array(copy),
    });
  }
  return { metadata, tensors };
}

function parseHeader(where: string, bytes: Uint8Array): Map<string, unknown> {
  let text = '';
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    refuse(where, 'the header is not UTF-8 text. Is it a safetensors file?');
  }
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    refuse(where, `the header is not JSON (${(error as Error).message}).`);
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed))
    refuse(where, 'the header is JSON, but no object of tensors.');
  return new Map(Object.entries(parsed as object));
}

function readMetadata(where: string, metadata: unknown): Record<string, string> {
  if (metadata === undefined) return {};
  if (typeof metadata !== 'object' || metadata === null || Array.isArray(metadata))
    refuse(where, '__metadata__ is no object of strings.');
  const entries = Object.entries(metadata as object);
  for (const [key, value] of entries)
    if (typeof value !== 'string') refuse(where, `__metadata__ ${key} is no string.`);
  return Object.fromEntries(entries) as Record<string, string>;
}

function readEntry(
  where: string,
  name: string,
  entry: unknown,
  dataLength: number,
): Pick<StateTensor, 'dtype' | 'shape'> & { start: number; end: number } {
  if (typeof entry !== 'object' || entry === null)
    refuse(
      where,
      `${name} is described by ${JSON.stringify(entry)}; it needs dtype, shape and data_offsets.`,
    );
  const {
    dtype,
    shape,
    data_offsets: offsets,
  } = entry as { dtype: unknown; shape: unknown; data_offsets: unknown };
  if (dtype !== 'F32' && dtype !== 'I32')
    refuse(
      where,
      `${name} is ${JSON.stringify(dtype)}; this project reads F32 and I32. Convert the file to float32 first.`,
    );
  const isSize = (n: unknown): n is number => Number.isSafeInteger(n) && (n as number) >= 0;
  if (!Array.isArray(shape) || !shape.every(isSize))
    refuse(
      where,
      `${name} has shape ${JSON.stringify(shape)}; a shape is a list of whole numbers, 0 or more.`,
    );
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isSize))
    refuse(
      where,
      `${name} has data_offsets ${JSON.stringify(offsets)}; two whole numbers are needed.`,
    );
  const [start, end] = offsets as [number, number];
  if (start > end || end > dataLength)
    refuse(
      where,
      `${name} lies at bytes ${start} to ${end}, but the data has ${dataLength}. The file is truncated or its header wrong.`,
    );
  const needed = (shape as number[]).reduce((a, b) => a * b, 4);
  if (needed !== end - start)
    refuse(
      where,
      `${name} [${shape}] needs ${needed} bytes, its data_offsets give ${end - start}.`,
    );
  return { dtype: dtype as 'F32' | 'I32', shape: shape as number[], start, end };
}

/** The same numbers give the same bytes. @throws RangeError if a tensor's data and shape disagree. */
export function writeSafetensors(
  tensors: StateDict,
  metadata: Record<string, string> = {},
): Uint8Array {
  let end = 0;
  const header: [string, object][] =
    Object.keys(metadata).length > 0 ? [['__metadata__', metadata]] : [];
  for (const [name, { dtype, shape, data }] of tensors) {
    if (name === '__metadata__')
      refuse('writeSafetensors', 'a tensor cannot be called __metadata__.');
    if (shape.reduce((a, b) => a * b, 1) !== data.length)
      refuse('writeSafetensors', `${name} [${shape}] has ${data.length} numbers.`);
    header.push([name, { dtype, shape, data_offsets: [end, end + data.byteLength] }]);
    end += data.byteLength;
  }
  // Entry by entry, because an object would treat a tensor called __proto__ in its own way.
  const json = new TextEncoder().encode(
    `{${header.map(([name, entry]) => `${JSON.stringify(name)}:${JSON.stringify(entry)}`).join(',')}}`,
  );
  const padded = Math.ceil(json.length / 8) * 8; // numbers begin at a multiple of 8
  const bytes = new Uint8Array(8 + padded + end).fill(0x20, 8, 8 + padded);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(padded), true);
  bytes.set(json, 8);
  let at = 8 + padded;
  for (const { data } of tensors.values()) {
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at);
    at += data.byteLength;
  }
  return bytes;
}

/** @throws Error if the file cannot be read, RangeError naming it if it is not as the format says. */
export function loadSafetensors(path: string): SafetensorsFile {
  return readSafetensors(readFileSync(path), { where: path });
}
/** Writes beside the file and renames: whoever reads sees the old file or the new one, never half. */
export function saveSafetensors(
  path: string,
  tensors: StateDict,
  metadata: Record<string, string> = {},
): void {
  const half = `${path}.writing`;
  try {
    writeFileSync(half, writeSafetensors(tensors, metadata));
    renameSync(half, path);
  } catch (error) {
    rmSync(half, { force: true });
    throw error;
  }
}
