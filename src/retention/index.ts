/** Retention, in reading order: the formula, decay, three equal forms, the memory, the layers, the mistakes. */
export * from './definition';
export * from './types';
export * from './decay';
export * from './chunks';
export * from './parallel';
export * from './recurrent';
export * from './chunkwise';
export * from './forms';
export * from './retention-state';
export * from './gated-retention';
export * from './score-normalisation';
export * from './multi-scale-retention';
export * from './famous-mistakes';
