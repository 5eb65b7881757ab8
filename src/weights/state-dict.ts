/** Weights as plain numbers, by the official name and in the layout of the file: matrices are [out, in]. */
import * as tf from '@tensorflow/tfjs';
import type { Parameter, ParameterStore } from '../layers/parameters';

export interface StateTensor {
  dtype: 'F32' | 'I32';
  shape: number[];
  data: Float32Array | Int32Array;
}
export type StateDict = Map<string, StateTensor>;

const storedShape = ({ kind, variable }: Parameter): number[] =>
  kind === 'matrix' ? [...variable.shape].reverse() : variable.shape;
/** [rows, columns] → [columns, rows], on the host. */
function transposed(data: ArrayLike<number>, rows: number, columns: number): Float32Array {
  const out = new Float32Array(data.length);
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++) out[j * rows + i] = data[i * columns + j];
  return out;
}

/** A copy of every weight; a tied table appears under both of its names, as in the official file. */
export function toStateDict(store: ParameterStore): StateDict {
  const dict: StateDict = new Map();
  for (const parameter of store.all()) {
    const { name, kind, variable } = parameter;
    const held = variable.dataSync() as Float32Array;
    const data =
      kind === 'matrix'
        ? transposed(held, variable.shape[0], variable.shape[1]!)
        : Float32Array.from(held);
    dict.set(name, { dtype: 'F32', shape: [...storedShape(parameter)], data });
  }
  for (const [name, existing] of store.aliases) dict.set(name, dict.get(existing)!);
  return dict;
}

/**
 * Gives the store the numbers of `dict`. All is checked before anything is assigned: nothing half-loaded remains.
 * @throws RangeError naming the file (`where`) and the tensor: missing, surplus, another dtype or shape, not finite, or two
 * different tables under the two names of a tied one.
 */
export function loadStateDict(
  store: ParameterStore,
  dict: StateDict,
  { where = 'state dict' }: { where?: string } = {},
): void {
  const names = [...store.all().map(({ name }) => name), ...store.aliases.keys()];
  for (const name of names)
    if (!dict.has(name))
      throw new RangeError(
        `${where}: ${name} is missing; the config asks for ${names.length} tensors.`,
      );
  for (const name of dict.keys())
    if (!names.includes(name))
      throw new RangeError(
        `${where}: ${name} has no place in this config. Is it of another kind of model, or of more layers?`,
      );
  const ready = names.map((name) => {
    const parameter = store.get(name)!;
    return { parameter, values: checked(where, name, parameter, dict.get(name)!) };
  });
  for (const [name, existing] of store.aliases) {
    const [a, b] = [dict.get(name)!.data, dict.get(existing)!.data];
    if (a.some((x, i) => x !== b[i]))
      throw new RangeError(
        `${where}: ${name} and ${existing} are one tied table, but differ. Was it saved untied?`,
      );
  }
  tf.tidy(() => {
    for (const { parameter, values } of ready)
      parameter.variable.assign(tf.tensor(values, parameter.variable.shape, 'float32'));
  });
}

function checked(
  where: string,
  name: string,
  parameter: Parameter,
  { dtype, shape, data }: StateTensor,
): Float32Array {
  if (dtype !== 'F32') throw new RangeError(`${where}: ${name} is ${dtype}; weights are F32.`);
  const want = storedShape(parameter);
  if (shape.length !== want.length || shape.some((n, i) => n !== want[i]))
    throw new RangeError(
      `${where}: ${name} is [${shape.join(', ')}], the config asks for [${want.join(', ')}]. Was it saved with another width?`,
    );
  const bad = (data as Float32Array).findIndex((x) => !Number.isFinite(x));
  if (bad >= 0)
    throw new RangeError(
      `${where}: ${name} holds ${data[bad]} at element ${bad}; weights are finite numbers.`,
    );
  return parameter.kind === 'matrix'
    ? transposed(data, shape[0], shape[1])
    : (data as Float32Array);
}
