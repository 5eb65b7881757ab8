/** Retention, in reading order. */
// biome-ignore-all assist/source/organizeImports: the order is the reader's.
export * from './definition';
export * from './retention-form';
export * from './decay';
export * from './parallel';
export * from './recurrent';
export * from './chunkwise';
export * from './chunkwise-gradients';
export { forms, type RetentionFormName } from './forms';
export * from './retention-state';
export * from './gated-retention';
export * from './pitfalls';
