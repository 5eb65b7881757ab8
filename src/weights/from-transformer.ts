/**
 * From Transformer to YOCO: a new model that begins with an old one's weights.
 *
 *   Transformer                        YOCO                                   how
 *   embedding E                        embedding                              E / √dim, because YOCO multiplies by √dim
 *   lower half: q, k of each head      window or retention: q, k              rotary pairs reordered, shared heads repeated
 *   lower half: v, o                   v, o                                   shared heads repeated
 *   norms and FFN of every layer       the same layer's                       as they are
 *   upper half: q, o                   cross-attention's q, o                 rotary pairs reordered
 *   k, v of ONE upper layer            the global K̂, V̂ of all upper layers    with that layer's norm taken in
 *   k, v of the other upper layers     –                                      dropped: this is what has to be learned anew
 *   –                                  retention's W_G, W_γ                   fresh
 *
 * What is exact. Layer L/2 of the Transformer makes its keys and values from the stream that leaves the lower half: the very
 * stream from which YOCO makes K̂, V̂. So with a window that holds the whole text and K̂, V̂ taken from layer L/2 (the default),
 * all layers up to that one compute what they did before. The first difference is the second upper layer, which asks its
 * old questions of another layer's keys.
 *
 * Sources: YOCO, arXiv 2405.05254, eqs. 1 to 3, for what the parts are. The paper converts no model; the nearest published
 * work is SwiftKV (arXiv 2410.03960) and MLKV (arXiv 2406.09297).
 */
import {
  type ModelConfig,
  type TransformerConfig,
  type YocoConfig,
  yocoConfig,
} from '../models/config';
import type { LanguageModel } from '../models/language-model';
import { Yoco } from '../models/yoco';
import { loadStateDict, type StateTensor, toStateDict } from './state-dict';
import {
  interleavedPairs,
  meanOf,
  resizedHeads,
  timesNumber,
  withNormInside,
} from './weight-conversion';

export interface ConversionOptions {
  /** Whose keys and values become K̂, V̂, counted from 0; the mean, if there are several. Default: the first layer of the upper half. */
  keysFrom?: readonly number[];
}
/** One weight of the new model and where it comes from. */
export interface Transfer {
  to: string;
  from: string[];
  how:
    | 'as it is'
    | 'scaled'
    | 'pairs reordered'
    | 'heads repeated'
    | 'pairs reordered, heads repeated'
    | 'into the one cache';
  make: (weights: StateTensor[]) => StateTensor;
}

/** The config of a YOCO that takes over as much as possible from such a Transformer: standard frequencies, the same heads. */
export function matchingYoco(
  transformer: TransformerConfig,
  lower: Pick<YocoConfig, 'selfDecoder'> & Partial<YocoConfig>,
): YocoConfig {
  const { vocabSize, dim, ffnDim, heads, kvHeads, tiedEmbeddings, normEps, ropeTheta, layers } =
    transformer;
  const selfLayers = lower.selfLayers ?? Math.floor(layers / 2);
  return yocoConfig({
    ...{ vocabSize, dim, ffnDim, heads, kvHeads, tiedEmbeddings, normEps, ropeTheta },
    ...{
      rotaryFrequencies: 'standard',
      selfHeads: heads,
      selfLayers,
      crossLayers: layers - selfLayers,
    },
    ...lower,
  });
}

/**
 * Which weight comes from where: a list to read, and what `yocoFromTransformer` works off. Weights of the new model that
 * are not in it stay fresh.
 * @throws RangeError naming what does not fit.
 */
export function conversionPlan(
  given: ModelConfig,
  config: YocoConfig,
  { keysFrom = [config.selfLayers] }: ConversionOptions = {},
): Transfer[] {
  const old = checkMatch(given, config, keysFrom);
  const { heads, kvHeads } = old;
  const plan: Transfer[] = [];
  const take = (
    to: string,
    from: string | string[],
    how: Transfer['how'] = 'as it is',
    make: Transfer['make'] = ([w]) => w,
  ) =>
    plan.push({
      to: `${to}.weight`,
      from: [from].flat().map((name) => `${name}.weight`),
      how,
      make,
    });
  const normsAndFfn = (to: string, from: string): void => {
    take(`${to}.mixer_layer_norm`, `${from}.attention_norm`);
    take(`${to}.final_layer_norm`, `${from}.ffn_norm`);
    for (const [mine, its] of [
      ['fc1', 'w1'],
      ['gate', 'w3'],
      ['fc2', 'w2'],
    ])
      take(`${to}.ffn.${mine}`, `${from}.feed_forward.${its}`);
  };

  const scale = config.embeddingScale ? Math.sqrt(config.dim) : 1;
  take('embed_tokens', 'tok_embeddings', 'scaled', ([E]) => timesNumber(E, 1 / scale));

  for (let i = 0; i < config.selfLayers; i++) {
    const [to, from] = [`self_decoder.layers.${i}`, `layers.${i}`];
    normsAndFfn(to, from);
    take(`${to}.mixer.q_proj`, `${from}.attention.wq`, 'pairs reordered', ([q]) =>
      interleavedPairs(q, heads),
    );
    take(`${to}.mixer.k_proj`, `${from}.attention.wk`, 'pairs reordered, heads repeated', ([k]) =>
      interleavedPairs(resizedHeads(k, kvHeads, heads), heads),
    );
    take(`${to}.mixer.v_proj`, `${from}.attention.wv`, 'heads repeated', ([v]) =>
      resizedHeads(v, kvHeads, heads),
    );
    take(`${to}.mixer.out_proj`, `${from}.attention.wo`);
  }

  // W diag(g) of each source layer: its norm's weights belong to it, and the mean of several is then one matrix. What is
  // left of the norm is the division by the length.
  const shared = (its: 'wk' | 'wv') =>
    keysFrom.flatMap((layer) => [
      `layers.${layer}.attention.${its}`,
      `layers.${layer}.attention_norm`,
    ]);
  const merged = (weights: StateTensor[]): StateTensor => {
    const folded = keysFrom.map((_, i) => withNormInside(weights[2 * i], weights[2 * i + 1]));
    return resizedHeads(meanOf(folded), kvHeads, config.kvHeads);
  };
  take(
    'cross_decoder.kv_layer_norm',
    `layers.${keysFrom[0]}.attention_norm`,
    'into the one cache',
    ([g]) => ({
      ...g,
      data: new Float32Array(g.data.length).fill(1),
    }),
  );
  take('cross_decoder.k_proj', shared('wk'), 'into the one cache', (weights) =>
    interleavedPairs(merged(weights), config.kvHeads),
  );
  take('cross_decoder.v_proj', shared('wv'), 'into the one cache', merged);

  for (let i = 0; i < config.crossLayers; i++) {
    const [to, from] = [`cross_decoder.layers.${i}`, `layers.${config.selfLayers + i}`];
    normsAndFfn(to, from);
    take(`${to}.mixer.q_proj`, `${from}.attention.wq`, 'pairs reordered', ([q]) =>
      interleavedPairs(q, heads),
    );
    take(`${to}.mixer.out_proj`, `${from}.attention.wo`);
  }

  // A tied head reads the table that was made smaller: its last norm makes up for it.
  const tied = config.tiedEmbeddings;
  take('layer_norm', 'norm', tied ? 'scaled' : 'as it is', ([g]) =>
    tied ? timesNumber(g, scale) : g,
  );
  if (tied)
    take('output_projection', 'tok_embeddings', 'scaled', ([E]) => timesNumber(E, 1 / scale));
  else take('output_projection', 'output');
  return plan;
}

/**
 * A YOCO that starts from a trained Transformer; what has no counterpart is fresh, drawn with `seed`. The Transformer stays
 * as it is, the caller disposes both.
 * @throws RangeError naming what does not fit, before anything is allocated.
 */
export function yocoFromTransformer(
  transformer: LanguageModel,
  config: YocoConfig,
  { seed = 0, ...options }: ConversionOptions & { seed?: number } = {},
): Yoco {
  const plan = conversionPlan(transformer.config, config, options);
  const old = toStateDict(transformer.parameters);
  const yoco = new Yoco(config, { seed });
  try {
    const weights = toStateDict(yoco.parameters);
    for (const { to, from, make } of plan)
      weights.set(to, make(from.map((name) => old.get(name)!)));
    loadStateDict(yoco.parameters, weights, { where: 'yocoFromTransformer' });
    return yoco;
  } catch (error) {
    yoco.dispose();
    throw error;
  }
}

function checkMatch(
  old: ModelConfig,
  config: YocoConfig,
  keysFrom: readonly number[],
): TransformerConfig {
  const where = 'yocoFromTransformer';
  if (old.kind !== 'transformer')
    throw new RangeError(
      `${where}: the given model is a ${old.kind}; only a transformer can be converted.`,
    );
  if (old.windowSize !== undefined)
    throw new RangeError(
      `${where}: the Transformer has a window of ${old.windowSize}; its upper half must have learned to see every token.`,
    );
  const layers = config.selfLayers + config.crossLayers;
  if (layers !== old.layers || config.crossLayers < 1)
    throw new RangeError(
      `${where}: the Transformer has ${old.layers} layers, the YOCO ${config.selfLayers} + ${config.crossLayers}; give as many in all, 1 or more of them above.`,
    );
  for (const field of [
    'vocabSize',
    'dim',
    'ffnDim',
    'heads',
    'tiedEmbeddings',
    'normEps',
    'ropeTheta',
  ] as const)
    if (old[field] !== config[field])
      throw new RangeError(
        `${where}: ${field} is ${old[field]} in the Transformer, but ${config[field]} in the YOCO; matchingYoco() gives a config that fits.`,
      );
  if (old.headDim * old.heads !== old.dim)
    throw new RangeError(
      `${where}: headDim is ${old.headDim}, but YOCO's heads are dim / heads = ${old.dim / old.heads} wide; there is no room for the others' features.`,
    );
  if (config.selfHeads !== old.heads)
    throw new RangeError(
      `${where}: selfHeads is ${config.selfHeads}, but the Transformer has ${old.heads} heads; a head keeps its features together, so give ${old.heads}.`,
    );
  if (old.kvHeads % config.kvHeads !== 0 && config.kvHeads % old.kvHeads !== 0)
    throw new RangeError(
      `${where}: kvHeads is ${old.kvHeads} in the Transformer and ${config.kvHeads} in the YOCO; one must divide the other.`,
    );
  if (
    keysFrom.length === 0 ||
    keysFrom.some((layer) => !Number.isInteger(layer) || layer < 0 || layer >= old.layers)
  )
    throw new RangeError(
      `${where}: keysFrom is [${keysFrom.join(', ')}]; name one or more of the Transformer's layers 0 to ${old.layers - 1}.`,
    );
  return old;
}
