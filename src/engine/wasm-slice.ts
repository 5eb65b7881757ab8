/**
 * `Slice` and `SplitV` for wasm that touch only what they return.
 *
 * The stock slice first makes a copy of its whole source. Cutting a long tensor into chunks then costs N² / c instead
 * of N: the reason why a chunkwise loop written naively is no faster than the quadratic form.
 */
import { type KernelFunc, slice_util, type TensorInfo } from '@tensorflow/tfjs';
import { firstNumber, sizeOf, type WasmBackend } from './wasm-heap';

/** x[begin : begin + size] for any rank. */
export function makeSlice(stock: KernelFunc): KernelFunc {
  return (args) => {
    const backend = args.backend as WasmBackend;
    const { x } = args.inputs as { x: TensorInfo };
    if (x.dtype !== 'float32' && x.dtype !== 'int32') return stock(args);
    const { begin, size } = args.attrs as unknown as { begin: number[]; size: number[] };
    const [from, lengths] = slice_util.parseSliceParams(x as never, begin, size) as [number[], number[]];
    slice_util.assertParamsValid(x as never, from, lengths);
    return cut(backend, x, from, lengths);
  };
}

/** x cut along `axis` into pieces of the given sizes (or that many equal ones). */
export function makeSplit(stock: KernelFunc): KernelFunc {
  return (args) => {
    const backend = args.backend as WasmBackend;
    const { x } = args.inputs as { x: TensorInfo };
    if (x.dtype !== 'float32' && x.dtype !== 'int32') return stock(args);
    const { numOrSizeSplits, axis } = args.attrs as unknown as { numOrSizeSplits: number | number[]; axis: number };
    const along = axis < 0 ? axis + x.shape.length : axis;
    const whole = x.shape[along]!;
    const given = Array.isArray(numOrSizeSplits) ? numOrSizeSplits : new Array<number>(numOrSizeSplits).fill(whole / numOrSizeSplits);
    const rest = whole - given.filter((n) => n >= 0).reduce((a, b) => a + b, 0);
    let start = 0;
    return given.map((length) => {
      const from = x.shape.map((_, i) => (i === along ? start : 0));
      const lengths = x.shape.map((n, i) => (i === along ? (length < 0 ? rest : length) : n));
      start += lengths[along]!;
      return cut(backend, x, from, lengths);
    });
  };
}

function cut(backend: WasmBackend, x: TensorInfo, from: number[], lengths: number[]): TensorInfo {
  const output = backend.makeOutput(lengths, x.dtype);
  if (sizeOf(lengths) === 0) return output;
  const heap = backend.wasm.HEAP32; // numbers are moved as bits, whatever they mean
  // The innermost axes that are taken whole make one run with the first that is not.
  let axis = x.shape.length - 1;
  while (axis > 0 && lengths[axis] === x.shape[axis]) axis--;
  const inner = sizeOf(x.shape.slice(axis + 1));
  const run = (lengths[axis] ?? 1) * inner;
  const strides = x.shape.map((_, i) => sizeOf(x.shape.slice(i + 1)));
  let read = firstNumber(backend, x) + from.reduce((sum, n, i) => sum + n * strides[i]!, 0);
  let write = firstNumber(backend, output);
  const at = new Array<number>(Math.max(0, axis)).fill(0);
  for (let runs = sizeOf(lengths) / run; runs > 0; runs--) {
    if (run < 32) for (let i = 0; i < run; i++) heap[write + i] = heap[read + i]!;
    else heap.copyWithin(write, read, read + run);
    write += run;
    for (let i = axis - 1; i >= 0; i--) {
      read += strides[i]!;
      if (++at[i]! < lengths[i]!) break;
      read -= at[i]! * strides[i]!;
      at[i] = 0;
    }
  }
  return output;
}
