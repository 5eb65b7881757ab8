/**
 * A matrix times one vector, y = A x: what a decoded token computes with every weight and every
 * cached key.
 *
 * Each number of A is used once, so the time is at least that of reading A from memory. Upstream's
 * multiplier computes eight columns at a time, of which seven are not needed; a loop in JavaScript
 * has no vector instructions. So here are some 250 bytes of WebAssembly, assembled by hand, that
 * run on the engine's own heap: four numbers per instruction, four sums side by side.
 *
 *   for each row:   acc0 … acc3 += 16 numbers of the row · 16 numbers of x, until fewer remain
 *                   sum = the 16 numbers in acc0 … acc3, added up
 *                   sum += the last K mod 16 numbers, one by one
 */
import type { WasmModule } from './backend';

/**
 * (a, x, y, M, K): byte offsets on the heap, rows and columns. y must not overlap a or x.
 */
export type MatrixVector = (a: number, x: number, y: number, M: number, K: number) => void;

// Opcodes, from the WebAssembly core specification 2.0; those of SIMD have the prefix 0xfd.
type Code = number | number[];
const join = (...parts: Code[]): number[] => parts.flat();

const i32 = 0x7f;
const v128 = 0x7b;
const f32 = 0x7d;
const noResult = 0x40;
const block = [0x02, noResult];
const loop = [0x03, noResult];
const end = 0x0b;
const br = (depth: number) => [0x0c, depth];
const brIf = (depth: number) => [0x0d, depth];
const get = (local: number) => [0x20, local];
const set = (local: number) => [0x21, local];
const constant = (value: number) => [0x41, ...signed(value)];
const isZero = 0x45;
const equal = 0x46;
const add = 0x6a;
const sub = 0x6b;
const and = 0x71;
const shl = 0x74;
const align = 2; // 2² = 4 bytes, the alignment that a float always has
const loadFloat = [0x2a, align, 0];
const storeFloat = [0x38, align, 0];
const zeroFloat = [0x43, 0, 0, 0, 0];
const addFloats = 0x92;
const mulFloats = 0x94;
const loadVector = (offset: number) => [0xfd, 0x00, align, offset];
const zeroVector = [0xfd, 0x0c, ...new Array<number>(16).fill(0)];
const lane = (index: number) => [0xfd, 0x1f, index];
const addVectors = [0xfd, 0xe4, 0x01];
const mulVectors = [0xfd, 0xe6, 0x01];

/** A number in LEB128: seven bits a byte, the top bit says that more follow. */
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

// Local variables: the five parameters, then the address that is read in x, the address where the
// whole groups of sixteen end, the address where x ends, the sum, and acc0 … acc3.
const [a, x, y, M, K, at, groupsEnd, xEnd, sum, acc] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
const four = [0, 1, 2, 3];
const advance = (local: number, bytes: number) =>
  join(get(local), constant(bytes), add, set(local));
const leaveIfZero = (local: number) => join(get(local), isZero, brIf(1));
const leaveIfEqual = (local: number, other: number) => join(get(local), get(other), equal, brIf(1));

// groupsEnd = x + 4 (K − K mod 16), xEnd = x + 4 K
const setGroupsEnd = join(
  get(x),
  get(K),
  constant(-16),
  and,
  constant(2),
  shl,
  add,
  set(groupsEnd),
);
const setXEnd = join(get(x), get(K), constant(2), shl, add, set(xEnd));

// acc_i = 0;  acc_i += a[4 i … 4 i + 3] · x[4 i … 4 i + 3]
const clearAccumulators = four.flatMap((i) => join(zeroVector, set(acc + i)));
const accumulate = four.flatMap((i) => [
  ...join(get(acc + i), get(a), loadVector(16 * i), get(at), loadVector(16 * i)),
  ...join(mulVectors, addVectors, set(acc + i)),
]);
const sixteenAtATime = join(
  join(block, loop, leaveIfEqual(at, groupsEnd)),
  accumulate,
  join(advance(a, 64), advance(at, 64), br(0), end, end),
);

// acc0 = (acc0 + acc1) + (acc2 + acc3);  sum = 0 + its four lanes
const addAccumulators = join(
  join(get(acc), get(acc + 1), addVectors),
  join(get(acc + 2), get(acc + 3), addVectors),
  join(addVectors, set(acc)),
);
const addLanes = join(zeroFloat, ...four.map((i) => join(get(acc), lane(i), addFloats)), set(sum));

const oneAtATime = join(
  join(block, loop, leaveIfEqual(at, xEnd)),
  join(get(sum), get(a), loadFloat, get(at), loadFloat, mulFloats, addFloats, set(sum)),
  join(advance(a, 4), advance(at, 4), br(0), end, end),
);

const body = join(
  setGroupsEnd,
  setXEnd,
  join(block, loop, leaveIfZero(M)), // over rows
  join(get(x), set(at)),
  clearAccumulators,
  sixteenAtATime,
  addAccumulators,
  addLanes,
  oneAtATime,
  join(get(y), get(sum), storeFloat, advance(y, 4)),
  join(get(M), constant(1), sub, set(M), br(0)),
  join(end, end, end),
);

const section = (id: number, content: number[]) => [id, ...unsigned(content.length), ...content];
const text = (name: string) => [name.length, ...Array.from(name, (letter) => letter.charCodeAt(0))];

/** `shared`: whether the heap is a shared one, which must be declared with its largest size. */
function moduleBytes(shared: boolean): Uint8Array {
  const header = [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0]; // "\0asm", version 1
  const memory = 0x02;
  const limits = shared ? [0x03, 1, ...unsigned(65536)] : [0x00, 1]; // in pages
  const heap = join(text('env'), text('memory'), memory, limits);
  const locals = [3, 3, i32, 1, f32, 4, v128]; // three groups: 3 addresses, the sum, 4 accumulators
  const code = [...locals, ...body];
  return Uint8Array.from([
    ...header,
    ...section(1, [1, 0x60, 5, i32, i32, i32, i32, i32, 0]), // one type: five integers, no result
    ...section(2, [1, ...heap]), // imports
    ...section(3, [1, 0]), // one function, of that type
    ...section(7, [1, ...text('multiply'), 0, 0]), // exports
    ...section(10, [1, ...unsigned(code.length), ...code]),
  ]);
}

/**
 * As much of WebAssembly as is used; its types come with browser typings, which the notebook kernel
 * does not load.
 */
interface Assembly {
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object, imports: object) => { exports: { multiply: MatrixVector } };
}
const assembled = new WeakMap<WasmModule, MatrixVector | null>();

/**
 * The function over this engine's heap; undefined where there are no vector instructions: there
 * upstream's ways are faster.
 */
export function matrixVector(wasm: WasmModule): MatrixVector | undefined {
  let multiply = assembled.get(wasm);
  if (multiply === undefined) {
    multiply = assemble(wasm);
    assembled.set(wasm, multiply);
  }
  return multiply ?? undefined;
}

function assemble(wasm: WasmModule): MatrixVector | null {
  const { WebAssembly } = globalThis as unknown as { WebAssembly: Assembly };
  const { memory } = wasm.asm;
  const shared = Object.prototype.toString.call(memory.buffer) === '[object SharedArrayBuffer]';
  try {
    const module = new WebAssembly.Module(moduleBytes(shared));
    return new WebAssembly.Instance(module, { env: { memory } }).exports.multiply;
  } catch {
    return null;
  }
}
