/** The signature that both forms of the gated delta rule share. */
import type * as tf from '@tensorflow/tfjs';
import {
  DEFAULT_CHUNK_SIZE,
  type RetentionInputs,
  type RetentionOptions,
  type RetentionResult,
} from '../retention/retention-form';
import { checkCount, readShapes } from '../tensor/shapes';

export const GATED_DELTA_SHAPES = {
  q: 'B H N Dk',
  k: 'B H N Dk',
  v: 'B H N Dv',
  beta: 'B H N',
  logDecay: 'B H N',
  initialState: 'B H Dk Dv',
} as const;

/** k has length 1 in each head; logDecay is ln γ, at most 0. */
export interface GatedDeltaInputs extends RetentionInputs {
  /** How far what the key finds is moved towards the value: 0 not at all, 1 all the way. */
  beta: tf.Tensor3D;
}

/**
 * The caller owns the output and the state.
 * @throws RangeError if shapes disagree, N is 0, or chunkSize is not a whole number of tokens.
 */
export type GatedDeltaForm = (
  inputs: GatedDeltaInputs,
  options?: RetentionOptions,
) => RetentionResult;

/** B, H, N, Dk, Dv. @throws RangeError as a GatedDeltaForm does. */
export function readGatedDeltaShapes(
  where: string,
  inputs: GatedDeltaInputs,
  { initialState, chunkSize = DEFAULT_CHUNK_SIZE }: RetentionOptions = {},
) {
  const shapes = readShapes(where, GATED_DELTA_SHAPES, { ...inputs, initialState });
  checkCount(where, 'N', shapes.N, 'tokens');
  checkCount(where, 'chunkSize', chunkSize, 'tokens');
  return shapes;
}
