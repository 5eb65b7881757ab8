export { chunkwiseGatedDelta, solveUnitTriangle } from './chunkwise';
export { gatedDeltaByDefinition } from './definition';
export type { GatedDeltaForm, GatedDeltaInputs } from './delta-form';
export { GatedDelta, unitLength } from './gated-delta';
export { recurrentGatedDelta } from './recurrent';
