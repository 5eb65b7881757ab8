/** Retention, in reading order: the formula, decay, three equal forms, the memory, the layers, the mistakes. */

export * from './chunks';
export * from './chunkwise';
export * from './decay';
export * from './definition';
export * from './famous-mistakes';
export * from './forms';
export * from './gated-retention';
export * from './multi-scale-retention';
export * from './parallel';
export * from './recurrent';
export * from './retention-state';
export * from './score-normalisation';
export * from './types';
