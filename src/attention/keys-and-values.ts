import type * as tf from '@tensorflow/tfjs';

/** What attention remembers of a token: keys [B,M,Hkv,D], already rotated, and values [B,M,Hkv,Dv]. */
export interface KeysAndValues {
  k: tf.Tensor4D;
  v: tf.Tensor4D;
}
export const KEYS_AND_VALUES = { k: 'B M Hkv D', v: 'B M Hkv Dv' } as const;
