/**
 * Prefill: how long until a prompt has been read, the Transformer against YOCO.
 *
 * What to expect: no more than the operations allow. YOCO leaves half of its layers out and mixes in linear time in the
 * others, so the ratio of operations grows with the prompt; the table prints it beside each length. A ratio of times above
 * it would mean a slow baseline, so each model's rate stands beside the ceiling.
 */
import { prefillFlops } from '../../src/costs/operations';
import { createModel } from '../../src/models/create-model';
import type { Goal, Row, Setting, Table } from './measure';
import { CEILING, ceiling, configsFor, count, GATED, ids, lengthsFor, TRANSFORMER } from './models';

const ratioOfOperations = (tokens: number, setting: Partial<Setting> = {}): number => {
  const configs = configsFor(setting);
  return (
    prefillFlops(configs[TRANSFORMER], tokens).needed / prefillFlops(configs[GATED], tokens).needed
  );
};
const label = (tokens: number, setting: Partial<Setting> = {}): string =>
  `${setting.large ? 'width 1024, ' : ''}${count(tokens)} tokens (operations × ${ratioOfOperations(tokens, setting).toFixed(2)})`;

function prefill(tokens: number, setting: Setting): Row {
  const prompt = ids(1, tokens);
  const models = Object.entries(configsFor(setting)).map(([name, config]) => ({
    name,
    config,
    model: createModel(config),
  }));
  const product = ceiling(setting);
  return {
    name: label(tokens, setting),
    rivals: [
      ...models.map(({ name, config, model }) => ({
        name,
        run: () => {
          const cache = model.newCache();
          const logits = model.prefill(prompt, cache);
          cache.dispose();
          return logits;
        },
        flops: prefillFlops(config, tokens).computed,
        tokens,
        watchMemory: true,
      })),
      product,
    ],
    dispose: () => {
      for (const { model } of models) model.dispose();
      product.dispose();
      prompt.dispose();
    },
  };
}

const promised: [number, number][] = [
  [1024, 2.5],
  [4096, 5],
  [8192, 9],
  [16_384, 15],
];

export const prefillTable: Table = {
  name: 'prefill',
  title: 'Prefill, 8 layers',
  note: 'In brackets how many times more operations the Transformer needs. Rates count what is computed, masked halves included.',
  rows: (setting) => lengthsFor(setting).map((tokens) => () => prefill(tokens, setting)),
  goals: [
    ...promised.map(
      ([tokens, times]): Goal => ({
        says: `${count(tokens)} tokens: Transformer / YOCO, at least ${times}`,
        value: (ms) => ms(label(tokens), TRANSFORMER) / ms(label(tokens), GATED),
        atLeast: times,
      }),
    ),
    ...[TRANSFORMER, GATED].map(
      (name): Goal => ({
        says: `4,096 tokens: ${name}, share of the ceiling, at least 0.5`,
        value: (_, rate) => rate(label(4096), name) / rate(label(4096), CEILING),
        atLeast: 0.5,
      }),
    ),
    ...promised.map(
      ([tokens]): Goal => ({
        says: `${count(tokens)} tokens: ratio of times / ratio of operations, 0.8 to 1.25`,
        value: (ms) =>
          ms(label(tokens), TRANSFORMER) / ms(label(tokens), GATED) / ratioOfOperations(tokens),
        atLeast: 0.8,
        atMost: 1.25,
      }),
    ),
  ],
};
