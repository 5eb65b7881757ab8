/**
 * Prefill: how long until a prompt has been read, the Transformer against YOCO.
 *
 * What to expect: no more than the operations allow. YOCO omits half of its layers, and the mixers
 * of the others take linear time, so the ratio of operations grows with the prompt; the table
 * prints it beside each length. A larger ratio of times would mean a slow baseline, so each
 * model's rate is compared with the ceiling.
 */
import { prefillFlops } from '../../src/costs/operations';
import { createModel } from '../../src/models/presets';
import type { Goal, Row, Setting, Table } from './measure';
import { CEILING, ceiling, configsFor, count, GATED, ids, lengthsFor, TRANSFORMER } from './models';

function ratioOfOperations(tokens: number, setting: Partial<Setting> = {}): number {
  const configs = configsFor(setting);
  const transformer = prefillFlops(configs[TRANSFORMER], tokens).needed;
  return transformer / prefillFlops(configs[GATED], tokens).needed;
}
function label(tokens: number, setting: Partial<Setting> = {}): string {
  const ratio = ratioOfOperations(tokens, setting).toFixed(2);
  return `${setting.large ? 'width 1024, ' : ''}${count(tokens)} tokens (operations × ${ratio})`;
}

function prefill(tokens: number, setting: Setting): Row {
  const prompt = ids(1, tokens);
  const models = Object.entries(configsFor(setting)).map(([name, config]) => {
    return { name, model: createModel(config) };
  });
  const product = ceiling(setting);
  const runs = models.map(({ name, model }) => ({
    name,
    run: () => {
      const cache = model.newCache();
      const logits = model.prefill(prompt, cache);
      cache.dispose();
      return logits;
    },
    flops: prefillFlops(model.config, tokens).computed,
    tokens,
    watchMemory: true,
  }));
  return {
    name: label(tokens, setting),
    rivals: [...runs, product],
    dispose: () => {
      for (const { model } of models) model.dispose();
      product.dispose();
      prompt.dispose();
    },
  };
}

/** Tokens, and how many times faster YOCO should be. */
const promised: [number, number][] = [
  [1024, 2.5],
  [4096, 5],
  [8192, 9],
  [16_384, 15],
];
const goals: Goal[] = [];
for (const [tokens, times] of promised) {
  goals.push({
    says: `${count(tokens)} tokens: Transformer / YOCO, at least ${times}`,
    value: (ms) => ms(label(tokens), TRANSFORMER) / ms(label(tokens), GATED),
    atLeast: times,
  });
}
for (const name of [TRANSFORMER, GATED]) {
  goals.push({
    says: `4,096 tokens: ${name}, share of the ceiling, at least 0.5`,
    value: (_, rate) => rate(label(4096), name) / rate(label(4096), CEILING),
    atLeast: 0.5,
  });
}
for (const [tokens] of promised) {
  goals.push({
    says: `${count(tokens)} tokens: ratio of times / ratio of operations, 0.8 to 1.25`,
    value: (ms) => {
      const ratioOfTimes = ms(label(tokens), TRANSFORMER) / ms(label(tokens), GATED);
      return ratioOfTimes / ratioOfOperations(tokens);
    },
    atLeast: 0.8,
    atMost: 1.25,
  });
}

export const prefillTable: Table = {
  name: 'prefill',
  title: 'Prefill, 8 layers',
  note:
    'In brackets how many times more operations the Transformer needs. ' +
    'Rates count what is computed, masked halves included.',
  rows: (setting) => lengthsFor(setting).map((tokens) => () => prefill(tokens, setting)),
  goals,
};
