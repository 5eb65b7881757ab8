/** Weights as plain numbers, by the official name and in the layout of the file: matrices are [out, in]. */
export interface StateTensor {
  dtype: 'F32' | 'I32';
  shape: number[];
  data: Float32Array | Int32Array;
}
export type StateDict = Map<string, StateTensor>;
