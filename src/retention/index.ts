/** Retention, in reading order: the formula, decay, three equal forms, the memory, the layers, the mistakes. */
// biome-ignore-all assist/source/organizeImports: the order is that of the lesson, not of the alphabet
export * from './definition';
export * from './types';
export * from './decay';
export * from './parallel';
export * from './recurrent';
export * from './chunks';
export * from './chunkwise';
export * from './forms';
export * from './retention-state';
export * from './mask-padding';
export * from './gated-retention';
export * from './pitfalls';
