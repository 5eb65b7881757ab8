/**
 * A matrix times one vector, y = A x: what a decoded token asks of every weight and every cached key.
 *
 * Each number of A is used once, so the floor is reading A from memory. The stock multiplier computes eight columns at a
 * time and throws seven away; a loop in JavaScript has no vector instructions. So here are some 250 bytes of WebAssembly,
 * assembled by hand, that run on the engine's own heap: four numbers per instruction, four sums side by side.
 *
 *   for each row:   four accumulators of four lanes ← 16 numbers of the row · 16 of x, and again
 *                   their sum, and the last K mod 16 numbers one by one
 */
import type { WasmModule } from './backend';

/** (a, x, y, M, K): byte offsets on the heap, rows and columns. y must not overlap a or x. */
export type MatrixVector = (a: number, x: number, y: number, M: number, K: number) => void;

// Opcodes, from the WebAssembly core specification 2.0; SIMD's have the prefix 0xfd.
const i32 = 0x7f;
const v128 = 0x7b;
const f32 = 0x7d;
const empty = 0x40;
const block = [0x02, empty];
const loop = [0x03, empty];
const end = 0x0b;
const br = (depth: number) => [0x0c, depth];
const brIf = (depth: number) => [0x0d, depth];
const get = (local: number) => [0x20, local];
const set = (local: number) => [0x21, local];
const constant = (value: number) => [0x41, ...signed(value)];
const [add, sub, and, shl, equal, isZero] = [0x6a, 0x6b, 0x71, 0x74, 0x46, 0x45] as const;
const align = 2; // 4 bytes: what a float is sure to have
const loadFloat = [0x2a, align, 0];
const storeFloat = [0x38, align, 0];
const [addFloats, mulFloats] = [0x92, 0x94] as const;
const zeroFloat = [0x43, 0, 0, 0, 0];
const loadVector = (offset: number) => [0xfd, 0x00, align, offset];
const zeroVector = [0xfd, 0x0c, ...new Array<number>(16).fill(0)];
const addVectors = [0xfd, 0xe4, 0x01];
const mulVectors = [0xfd, 0xe6, 0x01];
const lane = (index: number) => [0xfd, 0x1f, index];

/** A number in LEB128: seven bits a byte, the top bit says that more come. */
function signed(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>= 7) {
    const low = rest & 0x7f;
    const last = (rest >> 7 === 0 && low < 0x40) || (rest >> 7 === -1 && low >= 0x40);
    bytes.push(last ? low : low | 0x80);
    if (last) return bytes;
  }
}
function unsigned(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(value >> 7)];
}
const section = (id: number, body: number[]) => [id, ...unsigned(body.length), ...body];
const text = (name: string) => [name.length, ...Array.from(name, (letter) => letter.charCodeAt(0))];

// Locals: the five parameters, then where x is being read, where its whole sixteens and where all of it end, the sum, and
// four accumulators.
const [a, x, y, M, K, at, sixteens, ending, sum, acc] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
const advance = (local: number, bytes: number) => [
  ...get(local),
  ...constant(bytes),
  add,
  ...set(local),
];

const body = [
  ...[...get(x), ...get(K), ...constant(-16), and, ...constant(2), shl, add, ...set(sixteens)],
  ...[...get(x), ...get(K), ...constant(2), shl, add, ...set(ending)],
  ...block,
  ...loop, // over rows
  ...[...get(M), isZero, ...brIf(1)],
  ...[...get(x), ...set(at)],
  ...[0, 1, 2, 3].flatMap((i) => [...zeroVector, ...set(acc + i)]),
  ...[...block, ...loop, ...get(at), ...get(sixteens), equal, ...brIf(1)],
  ...[0, 1, 2, 3].flatMap((i) => [
    ...[...get(acc + i), ...get(a), ...loadVector(16 * i), ...get(at), ...loadVector(16 * i)],
    ...[...mulVectors, ...addVectors, ...set(acc + i)],
  ]),
  ...[...advance(a, 64), ...advance(at, 64), ...br(0), end, end],
  ...[
    ...get(acc),
    ...get(acc + 1),
    ...addVectors,
    ...get(acc + 2),
    ...get(acc + 3),
    ...addVectors,
    ...addVectors,
    ...set(acc),
  ],
  ...[
    ...zeroFloat,
    ...[0, 1, 2, 3].flatMap((i) => [...get(acc), ...lane(i), addFloats]),
    ...set(sum),
  ],
  ...[...block, ...loop, ...get(at), ...get(ending), equal, ...brIf(1)],
  ...[
    ...get(sum),
    ...get(a),
    ...loadFloat,
    ...get(at),
    ...loadFloat,
    mulFloats,
    addFloats,
    ...set(sum),
  ],
  ...[...advance(a, 4), ...advance(at, 4), ...br(0), end, end],
  ...[...get(y), ...get(sum), ...storeFloat, ...advance(y, 4)],
  ...[...get(M), ...constant(1), sub, ...set(M), ...br(0)],
  ...[end, end, end],
];

const heap = (shared: boolean) => [
  ...text('env'),
  ...text('memory'),
  0x02,
  ...(shared ? [0x03, 1, ...unsigned(65536)] : [0x00, 1]),
];
function moduleBytes(shared: boolean): Uint8Array {
  const locals = [3, 3, i32, 1, f32, 4, v128];
  const code = [...locals, ...body];
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0], // "\0asm", version 1
    ...section(1, [1, 0x60, 5, i32, i32, i32, i32, i32, 0]), // one type: five whole numbers, nothing back
    ...section(2, [1, ...heap(shared)]),
    ...section(3, [1, 0]),
    ...section(7, [1, ...text('multiply'), 0, 0]),
    ...section(10, [1, ...unsigned(code.length), ...code]),
  ]);
}

/** As much of WebAssembly as is used; its types come with browser typings, which the notebook kernel does not load. */
interface Assembly {
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object, imports: object) => { exports: { multiply: MatrixVector } };
}
const made = new WeakMap<WasmModule, MatrixVector | null>();

/** The function over this engine's heap; undefined where there are no vector instructions: the stock ways still lead there. */
export function matrixVector(wasm: WasmModule): MatrixVector | undefined {
  let found = made.get(wasm);
  if (found === undefined) {
    found = assemble(wasm);
    made.set(wasm, found);
  }
  return found ?? undefined;
}

function assemble(wasm: WasmModule): MatrixVector | null {
  const { WebAssembly } = globalThis as unknown as { WebAssembly: Assembly };
  const { memory } = wasm.asm;
  const shared = Object.prototype.toString.call(memory.buffer) === '[object SharedArrayBuffer]';
  try {
    return new WebAssembly.Instance(new WebAssembly.Module(moduleBytes(shared)), {
      env: { memory },
    }).exports.multiply;
  } catch {
    return null;
  }
}
