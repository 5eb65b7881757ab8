/** Weights as plain numbers, by official name, in the layout of the file: matrices [out, in]. */
import * as tf from '@tensorflow/tfjs';
import type { Parameter, ParameterStore } from '../layers/parameters';
import { assignAll } from '../tensor/all-or-nothing';

export interface StateTensor {
  dtype: 'F32' | 'I32';
  shape: number[];
  data: Float32Array | Int32Array;
}
export type StateDict = Map<string, StateTensor>;

/** [in, out] → [out, in] for matrices. */
const storedShape = ({ kind, variable }: Parameter): number[] =>
  kind === 'matrix' ? [...variable.shape].reverse() : [...variable.shape];

/** [rows, columns] → [columns, rows], on the host. */
function transpose(data: ArrayLike<number>, rows: number, columns: number): Float32Array {
  const transposed = new Float32Array(data.length);
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++) transposed[j * rows + i] = data[i * columns + j];
  return transposed;
}

/** A copy of every weight; a tied table stands under both of its names, as in the official file. */
export function toStateDict(store: ParameterStore): StateDict {
  const dict: StateDict = new Map();
  for (const parameter of store.all()) {
    const { name, kind, variable } = parameter;
    const [rows, columns] = variable.shape;
    const values = variable.dataSync();
    const isMatrix = kind === 'matrix';
    const data = isMatrix ? transpose(values, rows, columns) : Float32Array.from(values);
    dict.set(name, { dtype: 'F32', shape: storedShape(parameter), data });
  }
  for (const [alias, name] of store.aliases) dict.set(alias, dict.get(name)!);
  return dict;
}

/**
 * Gives the weights of the store the numbers of `dict`. All is checked before any weight changes.
 * @throws RangeError naming the file (`where`) and the tensor: missing, surplus, another dtype or
 * shape, not finite, or different under the two names of a tied table.
 */
export function loadStateDict(
  store: ParameterStore,
  dict: StateDict,
  { where = 'state dict' }: { where?: string } = {},
): void {
  const names = [...store.all().map(({ name }) => name), ...store.aliases.keys()];
  for (const name of dict.keys())
    if (!names.includes(name))
      throw new RangeError(`${where}: ${name} has no place in this config; is it another's?`);
  for (const name of names) {
    const tensor = dict.get(name);
    if (!tensor)
      throw new RangeError(`${where}: ${name} is missing; the config has ${names.length} tensors.`);
    checkTensor(`${where}: ${name}`, store.get(name)!, tensor);
  }
  for (const [alias, name] of store.aliases) {
    const { data } = dict.get(name)!;
    if (dict.get(alias)!.data.some((x, i) => x !== data[i]))
      throw new RangeError(
        `${where}: ${alias} and ${name} are one tied table, but differ. Was it saved untied?`,
      );
  }
  assignAll(() =>
    store.all().map(({ name, kind, variable }) => {
      const { shape, data } = dict.get(name)!;
      const values = kind === 'matrix' ? transpose(data, shape[0], shape[1]) : data;
      return [variable, tf.tensor(values, variable.shape, 'float32')];
    }),
  );
}

/** @throws RangeError beginning with `where`. */
function checkTensor(where: string, parameter: Parameter, { dtype, shape, data }: StateTensor) {
  if (dtype !== 'F32') throw new RangeError(`${where} is ${dtype}; weights are F32.`);
  const wanted = storedShape(parameter).join(', ');
  if (shape.join(', ') !== wanted)
    throw new RangeError(`${where} is [${shape.join(', ')}], the config asks for [${wanted}].`);
  const bad = data.findIndex((x) => !Number.isFinite(x));
  if (bad >= 0)
    throw new RangeError(`${where} holds ${data[bad]} at element ${bad}; weights are finite.`);
}
