/** The table of contents: all that a notebook imports, in reading order. */
// biome-ignore-all assist/source/organizeImports: the order is the reader's.

// what computes
export {
  describeEngine,
  useEngine,
  type EngineName,
  type EngineReport,
} from './support/backends/use-engine';
export { SeededRandom } from './tensor/random';
export { ledger, leakedBy, peakOf } from './tensor/ledger';
// the parts every model shares
export * from './layers/definition';
export { rmsNorm } from './layers/rms-norm';
export { swiglu, swish } from './layers/swiglu';
export { BASELINE_ROTARY, rotary, rotaryAngles, YOCO_ROTARY } from './layers/rotary';
// attention and its caches
export { attentionByDefinition } from './attention/definition';
export { softmaxAttention } from './attention/blocked-attention';
export { GrowingCache } from './attention/paged-kv-cache';
export { RingCache } from './attention/rolling-kv-cache';
// retention in three forms
export * from './retention/index';
// whole models
export { type ModelConfig, transformerConfig, yocoConfig } from './models/config';
export { preset, presets } from './models/presets';
export { createModel } from './models/create-model';
export { Transformer } from './models/transformer';
export { Yoco } from './models/yoco';
export { toStateDict } from './weights/state-dict';
export { MultiScaleRetention } from './variants/multi-scale-retention';
export { heldOf, normalisedForms } from './variants/score-normalisation';
export { WindowedTop } from './variants/windowed-top';
export { CrossLayerSharing, sharingMaps } from './variants/cross-layer-sharing';
export { GatedMemoryUnit } from './variants/gated-memory-unit';
export { GatedMemoryYoco } from './variants/gated-memory-yoco';
export { LoopedYoco } from './variants/looped-yoco';
export { leftPadded } from './layers/padding';
// what it all costs
export { cacheBytes, GB, GiB, parameterCount, weightBytes } from './costs/memory';
export { decodeFlops, forwardFlops, prefillFlops, trainingFlops } from './costs/operations';
export { countOperations } from './costs/flop-counter';
export {
  bytesPerToken,
  layerTokens,
  notReproduced,
  paper65B,
  profile3B,
  publishedProfile,
  publishedRatioBySize,
  tokensIn,
} from './costs/paper';
// inference, training, measuring
export { generate, generateStream } from './inference/generate';
export { Conversation } from './inference/conversation';
export { scorePrompt } from './inference/score-prompt';
export { ChunkParallel } from './inference/chunk-parallel/chunk-parallel';
export { chunksOf, communicatedBytes } from './inference/chunk-parallel/communication';
export { loadModel } from './training/checkpoint';
export { readCorpus, splitText } from './training/corpus';
export { CharacterTokenizer, fitTokenizer, tokenizerFrom } from './training/tokenizer';
export { BytePairTokenizer } from './training/byte-pair-tokenizer';
export { measureLoss } from './evaluation/perplexity';
export { lossByPosition, overDoublingSpans } from './evaluation/loss-by-position';
export { BigramModel } from './evaluation/bigram';
export { learningRate } from './training/schedule';
export { inStages } from './training/batches';
export { Trainer, trainerDefaults } from './training/trainer';
// studies: every kind of model under one budget
export {
  contestantConfig,
  type ContestantName,
  contestantNames,
  createContestant,
} from './evaluation/architectures';
export { answerAccuracy, RecallTask, recallVocabSize } from './evaluation/recall';
export { recallSettings, type RecallRun } from './evaluation/recall-study';
export { bareNeedles, NeedleTask, NeedleVocabulary } from './evaluation/needle';
export {
  needleLessons,
  needleMap,
  type NeedleRun,
  needleSettings,
  needleVocabulary,
} from './evaluation/needle-study';
export { hitsOf, recallOnText, runCounts } from './evaluation/ar-hits';
export {
  atWidth,
  fromName,
  scalingPoint,
  type ScalingRun,
  scalingSettings,
  scalingKinds,
  scalingWidths,
} from './evaluation/scaling-study';
export { type SplitsRun, splitsSettings } from './evaluation/splits-study';
export { fitPowerLaw } from './evaluation/power-law';
export { byKind, readStudy, spread } from './evaluation/study';
// pictures, and claims that check themselves
export { decayHeatmap } from './support/figures/decay-heatmap';
export { formsAgreement } from './support/figures/forms-agreement';
export { halfLifeCurve } from './support/figures/half-life-curve';
export { stateFilm } from './support/figures/state-film';
export { readableBytes } from './support/figures/figure';
export { stateGrowth } from './support/figures/state-growth';
export { lossCurves } from './support/figures/loss-curves';
export { gatesOverText } from './support/figures/gates-over-text';
export { gridHeatmap } from './support/figures/grid-heatmap';
export { lineChart } from './support/figures/line-chart';
export { timeline } from './support/figures/timeline';
export { modelColours } from './support/figures/palette';
export { show, showTable } from './support/notebook/show';
export { showLive } from './support/notebook/show-live';
export { checkEqual, checkThat, compareGuess, showClaims } from './support/notebook/check-equal';
