/** The table of contents: what notebooks and other projects import, in reading order. */
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
// the parts that every model shares
export * from './layers/definition';
export { rmsNorm } from './layers/rms-norm';
export { swiglu, swish } from './layers/swiglu';
export { BASELINE_ROTARY, rotary, rotaryAngles, YOCO_ROTARY } from './layers/rotary';
export { fastRotary } from './layers/fast-rotary';
export { leftPad } from './layers/padding';
export { tokenLosses } from './layers/token-loss';
// attention and its caches
export { attentionByDefinition } from './attention/definition';
export { attention } from './attention/attention';
export { blockedAttention } from './attention/blocked-attention';
export { type KeysValues, type KvCache, PlainKvCache } from './attention/kv-cache';
export { PagedKvCache } from './attention/paged-kv-cache';
export { RollingKvCache } from './attention/rolling-kv-cache';
// retention in three forms
export * from './retention/index';
// the delta rule: retention that corrects what it overwrites
export {
  chunkwiseGatedDelta,
  GatedDelta,
  type GatedDeltaInputs,
  gatedDeltaByDefinition,
  recurrentGatedDelta,
} from './delta-rule/index';
// whole models
export {
  type ModelConfig,
  type TransformerConfig,
  transformerConfig,
  type YocoConfig,
  yocoConfig,
} from './models/config';
export type { LanguageModel } from './models/language-model';
export { createModel, preset, presets } from './models/presets';
export { Transformer } from './models/transformer';
export { Yoco } from './models/yoco';
// variants
export { MultiScaleRetention } from './variants/multi-scale-retention';
export { geometricSum, normalisedForms } from './variants/score-normalisation';
export { WindowedTop } from './variants/windowed-top';
export { CrossLayerSharing, type SharingMap, sharingMaps } from './variants/cross-layer-sharing';
export { GatedMemoryUnit, GatedMemoryYoco } from './variants/gated-memory-yoco';
export { LoopedYoco } from './variants/looped-yoco';
// weights
export { loadStateDict, type StateDict, toStateDict } from './weights/state-dict';
export { conversionPlan, matchingYoco, yocoFromTransformer } from './weights/from-transformer';
// what it all costs
export { cacheBytes, GB, GiB, parameterCount, weightBytes } from './costs/memory';
export { decodeFlops, forwardFlops, prefillFlops, trainingFlops } from './costs/operations';
export { countFlops } from './costs/flop-counter';
export {
  batchThatFits,
  type Rates,
  type Serving,
  sequenceCost,
  stepBytes,
  throughput,
} from './costs/throughput';
export {
  activationBytes,
  bytesPerToken,
  dataSheetRates,
  fittedRates,
  impliedActivations,
  notReproduced,
  officialPrefillChunk,
  paper65B,
  profile3B,
  publishedProfile,
  publishedRatioBySize,
  ratesOfTheTransformer,
  stated512K,
  statedBytesAt1M,
  throughput3B,
  tokensIn,
} from './costs/paper';
// inference
export { generate, generateStream } from './inference/generate';
export { Conversation } from './inference/conversation';
export { scorePrompt } from './inference/score-prompt';
export { ChunkParallel } from './inference/chunk-parallel/chunk-parallel';
export { chunksOf, communicatedBytes } from './inference/chunk-parallel/communication';
// training
export { loadModel } from './training/checkpoint';
export { readCorpus, splitText } from './training/corpus';
export { CharacterTokenizer } from './training/tokenizer';
export { fitTokenizer, tokenizerFrom } from './training/fit-tokenizer';
export { BytePairTokenizer } from './training/byte-pair-tokenizer';
export { inStages } from './training/batches';
export { crossEntropy } from './training/loss';
export { distillation, distillationLoss } from './training/distillation';
export { learningRate } from './training/schedule';
export { Trainer, trainerDefaults } from './training/trainer';
// measuring: every kind of model under one budget
export { measureLoss } from './evaluation/perplexity';
export { lossByPosition } from './evaluation/loss-by-position';
export { BigramModel } from './evaluation/bigram';
export {
  architectureConfig,
  type ArchitectureName,
  architectureNames,
  createArchitecture,
} from './evaluation/architectures';
export { answerAccuracy, RecallTask, recallVocabSize } from './evaluation/recall';
export { recallSettings, type RecallRun } from './evaluation/recall-study';
export {
  ambiguousShare,
  keyValueWarmup,
  NeedleTask,
  NeedleVocabulary,
  officialCityCounts,
} from './evaluation/needle';
export {
  needleLessons,
  needleMap,
  type NeedleRun,
  needleSettings,
  needleVocabulary,
} from './evaluation/needle-study';
export { countNgrams, findArHits, measureArHits } from './evaluation/ar-hits';
export {
  atWidth,
  fromName,
  scalingKinds,
  type ScalingRun,
  scalingSettings,
  scalingStudy,
  scalingWidths,
} from './evaluation/scaling-study';
export { atRate, type RatesRun, ratesSettings, triedRates } from './evaluation/rates-study';
export { type SplitsRun, splitsSettings } from './evaluation/splits-study';
export { fitPowerLaw, resampledExponents } from './evaluation/power-law';
export { byKind, readStudy, spread } from './evaluation/study';
// pictures, and claims that a cell checks
export { stackedBars, timeline } from './support/figures/bars';
export { cacheBoxes } from './support/figures/cache-boxes';
export { cacheGrowth } from './support/figures/cache-growth';
export type { Drawing } from './support/figures/drawing';
export { earlyExitWalk } from './support/figures/early-exit-walk';
export { readableBytes } from './support/figures/figure';
export { heatmap } from './support/figures/heatmap';
export { type Line, lineChart, meanAndRange } from './support/figures/line-chart';
export { matricesSideBySide } from './support/figures/matrices';
export { modelColours } from './support/figures/palette';
export { sharingMap } from './support/figures/sharing-map';
export { stateMovie } from './support/figures/state-movie';
export { threeFormsOnOneTriangle } from './support/figures/three-forms';
export { yocoBesideTransformer } from './support/figures/yoco-beside-transformer';
export { show, showTable } from './support/notebook/show';
export { showLive } from './support/notebook/show-live';
export { streamText } from './support/notebook/stream-text';
export { checkEqual, checkThat, compareGuess, showClaims } from './support/notebook/check-equal';
