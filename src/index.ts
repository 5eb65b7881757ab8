/** The table of contents: all that a notebook imports, in reading order. */
// biome-ignore-all assist/source/organizeImports: the order is the reader's.

// what computes
export { describeEngine, useEngine, type EngineName, type EngineReport } from './engine/use-engine';
export { SeededRandom } from './engine/random';
export { ledger, leakedBy, peakOf } from './engine/ledger';
// the parts every model shares
export * from './blocks/definition';
export { rmsNorm } from './blocks/rms-norm';
export { swiglu, swish } from './blocks/swiglu';
export { BASELINE_ROTARY, rotary, rotaryAngles, YOCO_ROTARY } from './blocks/rotary';
// attention and its caches
export { attentionByDefinition } from './attention/definition';
export { softmaxAttention } from './attention/softmax-attention';
export { GrowingCache } from './attention/growing-cache';
export { RingCache } from './attention/ring-cache';
// retention in three forms
export * from './retention/index';
// whole models
export { type ModelConfig, transformerConfig, yocoConfig } from './models/config';
export { preset, presets } from './models/presets';
export { createModel } from './models/create-model';
export { Transformer } from './models/transformer';
export { Yoco } from './models/yoco';
export { WindowedTop } from './models/windowed-top';
export { CrossLayerSharing, sharingMaps } from './models/cross-layer-sharing';
export { GatedMemoryUnit } from './models/gated-memory-unit';
export { GatedMemoryYoco } from './models/gated-memory-unit-yoco';
export { LoopedYoco } from './models/looped-self-decoder';
export { leftPadded } from './blocks/padding';
// what it all costs
export { cacheBytes, GB, GiB, parameterCount, weightBytes } from './costs/memory';
export { decodeFlops, forwardFlops, prefillFlops, trainingFlops } from './costs/operations';
export { countOperations } from './costs/counted';
export { bytesPerToken, layerTokens, notReproduced, paper65B, profile3B, publishedProfile, publishedRatioBySize, tokensIn } from './costs/paper';
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
export { contestantConfig, type ContestantName, contestantNames, createContestant } from './evaluation/contestants';
export { answerAccuracy, RecallTask, recallVocabSize } from './evaluation/recall';
export { recallSettings, type RecallRun } from './evaluation/recall-study';
export { bareNeedles, NeedleTask, NeedleVocabulary } from './evaluation/needle';
export { needleLessons, needleMap, type NeedleRun, needleSettings, needleVocabulary } from './evaluation/needle-study';
export { hitsOf, recallOnText, runCounts } from './evaluation/recall-on-text';
export { atWidth, fromName, scalingPoint, type ScalingRun, scalingSettings, scalingKinds, scalingWidths } from './evaluation/scaling-study';
export { type SplitsRun, splitsSettings } from './evaluation/splits-study';
export { fitPowerLaw } from './evaluation/power-law';
export { byKind, readStudy, spread } from './evaluation/study';
// pictures, and claims that check themselves
export { decayHeatmap } from './figures/decay-heatmap';
export { formsAgreement } from './figures/forms-agreement';
export { halfLifeCurve } from './figures/half-life-curve';
export { stateFilm } from './figures/state-film';
export { readableBytes } from './figures/figure';
export { stateGrowth } from './figures/state-growth';
export { lossCurves } from './figures/loss-curves';
export { gatesOverText } from './figures/gates-over-text';
export { gridHeatmap } from './figures/grid-heatmap';
export { lineChart } from './figures/line-chart';
export { timeline } from './figures/timeline';
export { modelColours } from './figures/palette';
export { show, showTable } from './course/show';
export { showLive } from './course/show-live';
export { checkEqual, checkThat, compareGuess, showClaims } from './course/check-equal';
