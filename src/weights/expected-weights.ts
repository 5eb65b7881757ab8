/**
 * Which weights a model has, from its config alone: the official names and the shapes in the file.
 *
 * A config that was read from a file is compared with the tensors before a model is made from it:
 * one changed number there would otherwise ask for any amount of memory.
 */
import type { ModelConfig, TransformerConfig, YocoConfig } from '../models/config';
import { shown, shownName } from '../tensor/shapes';
import type { StateTensor } from './state-dict';

export interface ExpectedWeight {
  name: string;
  /** [out, in] for a matrix. */
  axes: Axis[];
}
interface Axis {
  size: number;
  /** The field of the config that gives this size, or a product of fields. */
  field: string;
}

/** In the order of the model, one at a time: a config may claim to have a billion layers. */
export function* expectedWeights(config: ModelConfig): Generator<ExpectedWeight> {
  if (config.kind === 'transformer') yield* ofTransformer(config);
  else yield* ofYoco(config);
}

function* ofTransformer(config: TransformerConfig): Generator<ExpectedWeight> {
  const { layers, heads, kvHeads, headDim } = config;
  const { vocab, dim, ffn } = commonAxes(config);
  const queries: Axis = { field: 'heads · headDim', size: heads * headDim };
  const keys: Axis = { field: 'kvHeads · headDim', size: kvHeads * headDim };

  yield* weights('', { tok_embeddings: [vocab, dim] });
  for (let i = 0; i < layers; i++)
    yield* weights(`layers.${i}.`, {
      'attention.wq': [queries, dim],
      'attention.wk': [keys, dim],
      'attention.wv': [keys, dim],
      'attention.wo': [dim, queries],
      attention_norm: [dim],
      'feed_forward.w1': [ffn, dim],
      'feed_forward.w3': [ffn, dim],
      'feed_forward.w2': [dim, ffn],
      ffn_norm: [dim],
    });
  yield* weights('', { norm: [dim], output: [vocab, dim] });
}

function* ofYoco(config: YocoConfig): Generator<ExpectedWeight> {
  const { selfLayers, crossLayers, selfDecoder, selfHeads, heads, kvHeads } = config;
  const { vocab, dim, ffn } = commonAxes(config);
  const keys: Axis = { field: 'kvHeads · dim / heads', size: (kvHeads * config.dim) / heads };
  const gate: Axis = { field: 'selfHeads', size: selfHeads };
  const normsAndFfn = {
    mixer_layer_norm: [dim],
    'ffn.fc1': [ffn, dim],
    'ffn.gate': [ffn, dim],
    'ffn.fc2': [dim, ffn],
    final_layer_norm: [dim],
  };
  const cross = { 'mixer.q_proj': [dim, dim], 'mixer.out_proj': [dim, dim], ...normsAndFfn };
  const window = { 'mixer.k_proj': [dim, dim], 'mixer.v_proj': [dim, dim], ...cross };
  const retention = { ...window, 'mixer.g_proj': [dim, dim] };
  const gated = { ...retention, 'mixer.gt_proj': [gate, dim] };
  const self = {
    'sliding-window': window,
    retention,
    'gated-retention': gated,
    'gated-delta': { ...gated, 'mixer.b_proj': [gate, dim] },
  }[selfDecoder];

  yield* weights('', { embed_tokens: [vocab, dim] });
  for (let i = 0; i < selfLayers; i++) yield* weights(`self_decoder.layers.${i}.`, self);
  if (crossLayers > 0)
    yield* weights('cross_decoder.', {
      k_proj: [keys, dim],
      v_proj: [keys, dim],
      kv_layer_norm: [dim],
    });
  for (let i = 0; i < crossLayers; i++) yield* weights(`cross_decoder.layers.${i}.`, cross);
  yield* weights('', { layer_norm: [dim], output_projection: [vocab, dim] });
}

const commonAxes = ({ vocabSize, dim, ffnDim }: ModelConfig): Record<string, Axis> => ({
  vocab: { field: 'vocabSize', size: vocabSize },
  dim: { field: 'dim', size: dim },
  ffn: { field: 'ffnDim', size: ffnDim },
});

function* weights(prefix: string, axesOf: Record<string, Axis[]>): Generator<ExpectedWeight> {
  for (const [name, axes] of Object.entries(axesOf))
    yield { name: `${prefix}${name}.weight`, axes };
}

/**
 * @param where the files of the config and of the weights, for the message.
 * @throws RangeError naming both files, the field and the weight that does not fit it.
 */
export function checkConfigFits(
  config: ModelConfig,
  tensors: ReadonlyMap<string, Pick<StateTensor, 'shape'>>,
  where: { config: string; weights: string },
): void {
  const fields = config as unknown as Record<string, unknown>;
  const refuse = (field: string, problem: string, value = fields[field]): never => {
    throw new RangeError(
      `${where.config}: ${field} is ${shown(value)}, but ${where.weights} ${problem}.`,
    );
  };
  const expected = new Set<string>();
  for (const { name, axes } of expectedWeights(config)) {
    const shape = tensors.get(name)?.shape ?? refuse(fieldBehind(name), `has no ${name}`);
    const has = `has ${name} [${shape.slice(0, 8).join(', ')}]`;
    if (shape.length !== axes.length)
      refuse(fieldBehind(name), `${has}; it needs ${axes.length} axes`);
    for (const [i, { field, size }] of axes.entries())
      if (shape[i] !== size) refuse(field, `${has}, which makes it ${shape[i]}`, size);
    expected.add(name);
  }
  for (const name of tensors.keys())
    if (!expected.has(name)) refuse(fieldBehind(name), `has also ${shownName(name)}`);
}

/** The field that decides whether there is a weight of this name. */
function fieldBehind(name: string): string {
  if (/^self_decoder\.layers\.\d+\.mixer\.gt?_proj\.weight$/.test(name)) return 'selfDecoder';
  if (name.startsWith('self_decoder.layers.')) return 'selfLayers';
  if (name.startsWith('cross_decoder.')) return 'crossLayers';
  return name.startsWith('layers.') ? 'layers' : 'kind';
}
