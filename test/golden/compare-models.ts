import * as tf from '@tensorflow/tfjs';
import { type ModelConfig, transformerConfig, yocoConfig } from '../../src/models/config';
import type { LanguageModel } from '../../src/models/language-model';
import type { ModelCache } from '../../src/models/model-cache';
import { createModel } from '../../src/models/presets';
import { AdamW } from '../../src/training/adamw';
import { globalNorm, lossAndGradients } from '../../src/training/gradients';
import { crossEntropy } from '../../src/training/loss';
import { loadStateDict } from '../../src/weights/state-dict';
import type { GoldenFile } from './golden-file';

/** The config that the file's metadata describe; the window may differ from case to case. */
export function configOf(file: GoldenFile, c: string): ModelConfig {
  const n = (key: string) => file.number(`config.${key}`);
  const common = {
    vocabSize: n('vocab_size'),
    dim: n('dim'),
    ffnDim: n('hidden_dim'),
    normEps: n('norm_eps'),
    ropeTheta: n('rope_theta'),
    tiedEmbeddings: file.meta('config.tied_embeddings') === 'true',
  };
  const window = file.meta(`${c}.sliding_window`);
  const windowSize = window === 'none' ? {} : { windowSize: Number(window) };
  const model = file.meta('config.model');
  if (model === 'transformer')
    return transformerConfig({
      ...common,
      ...windowSize,
      layers: n('n_layers'),
      heads: n('n_heads'),
      kvHeads: n('n_kv_heads'),
      headDim: n('head_dim'),
    });
  if (model !== 'yoco') throw new Error(`${file.path}: config.model is the unknown ${model}.`);
  const half = n('n_layers') / 2;
  const mixer =
    window === 'none'
      ? { gateTemperature: n('gate_logit_normalizer') }
      : { selfDecoder: 'sliding-window' as const, ...windowSize };
  return yocoConfig({
    ...common,
    ...mixer,
    selfLayers: half,
    crossLayers: half,
    selfHeads: n('n_self_heads'),
    heads: n('n_attn_heads'),
    kvHeads: n('n_attn_kv_heads'),
  });
}

export function compareModel(
  file: GoldenFile,
  c: string,
  build: (config: ModelConfig) => LanguageModel = (config) => createModel(config),
): void {
  const model = build(configOf(file, c));
  const load = () =>
    loadStateDict(model.parameters, file.weights('weights/'), { where: file.path });
  load();
  if (model.parameters.count !== file.number('n_parameters'))
    throw new Error(
      `${file.path}: the model has ${model.parameters.count} parameters, the reference ${file.meta('n_parameters')}.`,
    );
  const tokens = file.rows('tokens');
  compareFullPass(file, c, model, tokens);
  for (const name of file.meta(`${c}.generate`).split(',').filter(Boolean))
    compareDecoding(file, c, name, model, tokens);
  compareGreedy(file, c, model, tokens);
  compareTraining(file, c, model, load);
  model.dispose();
}

function compareFullPass(
  file: GoldenFile,
  c: string,
  model: LanguageModel,
  tokens: number[][],
): void {
  const observe = (name: string, hidden: tf.Tensor3D) => {
    if (file.has(`${c}/hidden/${name}`)) file.compare(`${c}/hidden/${name}`, hidden);
  };
  const logits = model.forward(tokens, undefined, { observe });
  file.compare(`${c}/logits`, logits);
}

/** Prefill by the file's segments with the early exit, then token by token; logits and caches. */
function compareDecoding(
  file: GoldenFile,
  c: string,
  name: string,
  model: LanguageModel,
  tokens: number[][],
): void {
  const cache = model.newCache(tokens.length);
  let position = 0;
  for (const size of file.list(`${c}.gen.${name}.segments`)) {
    model.prefill(
      tokens.map((row) => row.slice(position, position + size)),
      cache,
    );
    position += size;
    compareCache(file, `${c}/gen/${name}/cache_after_${position}/`, cache);
  }
  if (position !== file.number(`${c}.gen.${name}.decode_from`))
    throw new Error(`${file.path}: ${c} ${name}: decode_from is not where the segments end.`);
  const logits = tokens[0].slice(position).map((_, i) =>
    model.step(
      tokens.map((row) => row[position + i]),
      cache,
    ),
  );
  if (logits.length > 0) file.compare(`${c}/gen/${name}/decode_logits`, tf.stack(logits, 1));
  compareCache(file, `${c}/cache_final/`, cache);
  cache.dispose();
}

/** Every tensor of the file below `prefix`: `self.0.state`, `cross.key`, `layers.1.value`, …. */
function compareCache(file: GoldenFile, prefix: string, cache: ModelCache): void {
  const held = cache.snapshot();
  for (const name of file.namesUnder(prefix)) {
    const ours = name
      .slice(prefix.length)
      .replace(/^self\./, 'layers.')
      .replace(/^cross\./, 'global.')
      .replace(/\.(key|value)$/, (_, kind: string) => `.${kind[0]}`);
    if (!held[ours]) throw new Error(`${file.path}: ${name} has no counterpart in the cache.`);
    // A state after a long piece follows the closed formula of the official prefill.
    file.compare(name, held[ours], name.endsWith('.state') ? 'prefill' : undefined);
  }
}

function compareGreedy(
  file: GoldenFile,
  c: string,
  model: LanguageModel,
  tokens: number[][],
): void {
  if (!file.hasMeta(`${c}.prompt_for_greedy`)) return; // optional, like gradients
  const promptLength = file.number(`${c}.prompt_for_greedy`);
  const cache = model.newCache(tokens.length);
  let logits = model.prefill(
    tokens.map((row) => row.slice(0, promptLength)),
    cache,
  );
  const columns: number[][] = [];
  for (let i = 0; i < file.number(`${c}.greedy_steps`); i++) {
    if (i > 0) logits = model.step(columns.at(-1)!, cache);
    columns.push(Array.from(logits.argMax(1).dataSync()));
  }
  cache.dispose();
  file.compareExactly(
    `${c}/greedy_tokens`,
    tokens.map((_, b) => columns.map((column) => column[b])),
  );
}

const batchLoss = (model: LanguageModel, rows: number[][]): tf.Scalar => {
  const inputs = rows.map((row) => row.slice(0, -1));
  const targets = rows.map((row) => row.slice(1));
  return crossEntropy(model.forward(inputs), targets);
};

function compareTraining(
  file: GoldenFile,
  c: string,
  model: LanguageModel,
  reload: () => void,
): void {
  const { shape } = file.raw('train/batches');
  const rows = file.rows('train/batches');
  const batches = Array.from({ length: shape[0] }, (_, i) =>
    rows.slice(i * shape[1], (i + 1) * shape[1]),
  );
  if (file.meta(`${c}.gradients`) === 'true') {
    const { loss, gradients } = lossAndGradients(model.parameters, () =>
      batchLoss(model, batches[0]),
    );
    file.compare(`${c}/loss`, loss.reshape([1]));
    file.compare(`${c}/grad_global_norm`, [globalNorm(gradients)]);
    for (const [name, gradient] of Object.entries(gradients)) {
      const isMatrix = model.parameters.get(name)!.kind === 'matrix';
      file.compare(`${c}/grad/${name}`, isMatrix ? gradient.transpose() : gradient);
    }
  }
  for (const optimizer of ['adamw', 'adam']) {
    if (!file.has(`${c}/${optimizer}/loss`)) continue;
    reload();
    const settings = Object.fromEntries(
      file
        .meta(`${c}.${optimizer}`)
        .split(',')
        .map((pair) => pair.split('=')),
    ) as Record<string, string>;
    const number = (key: string) => Number(settings[key]);
    const adamw = new AdamW(model.parameters, {
      beta1: number('beta1'),
      beta2: number('beta2'),
      eps: number('eps'),
      weightDecay: number('weight_decay'),
    });
    const losses: number[] = [];
    for (let step = 0; step < number('steps'); step++)
      tf.tidy(() => {
        const { loss, gradients } = lossAndGradients(model.parameters, () =>
          batchLoss(model, batches[step % batches.length]),
        );
        losses.push(loss.dataSync()[0]);
        adamw.update(gradients, number('lr'));
      });
    losses.push(tf.tidy(() => batchLoss(model, batches[0]).dataSync()[0]));
    file.compare(`${c}/${optimizer}/loss`, losses);
    file.compare(`${c}/${optimizer}/logits_after`, model.forward(file.rows('tokens')));
    adamw.dispose();
  }
}
