/** Random small configs of every kind, for formulas that must hold for all of them. */
import fc from 'fast-check';
import { type ModelConfig, transformerConfig, yocoConfig } from '../../src/models/config';

const heads = fc.constantFrom<[number, number][]>([4, 4], [4, 2], [4, 1], [2, 1]);
const common = fc.record({
  vocabSize: fc.integer({ min: 2, max: 40 }),
  ffnDim: fc.integer({ min: 1, max: 40 }),
  tiedEmbeddings: fc.boolean(),
});

export const transformers: fc.Arbitrary<ModelConfig> = fc
  .record({
    common,
    heads,
    dim: fc.integer({ min: 1, max: 24 }),
    headDim: fc.constantFrom(2, 4, 8),
    layers: fc.integer({ min: 1, max: 3 }),
    windowSize: fc.option(fc.integer({ min: 1, max: 9 }), { nil: undefined }),
  })
  .map(({ common, heads: [h, kv], ...rest }) =>
    transformerConfig({ ...common, ...rest, heads: h, kvHeads: kv }),
  );

export const yocos: fc.Arbitrary<ModelConfig> = fc
  .record({
    common,
    heads,
    dim: fc.constantFrom(8, 16, 24),
    selfHeads: fc.constantFrom(1, 2, 4),
    layers: fc.constantFrom<[number, number][]>([2, 2], [1, 0], [0, 2], [3, 1], [1, 2]),
    selfDecoder: fc.constantFrom(
      'gated-retention' as const,
      'retention' as const,
      'sliding-window' as const,
      'gated-delta' as const,
    ),
    windowSize: fc.integer({ min: 1, max: 9 }),
    chunkSize: fc.integer({ min: 1, max: 9 }),
  })
  .map(
    ({
      common,
      heads: [h, kv],
      layers: [selfLayers, crossLayers],
      selfDecoder,
      windowSize,
      ...rest
    }) =>
      yocoConfig({
        ...common,
        ...rest,
        ...{ heads: h, kvHeads: kv, selfLayers, crossLayers, selfDecoder },
        windowSize: selfDecoder === 'sliding-window' ? windowSize : undefined,
      }),
  );
export const configs = fc.oneof(transformers, yocos);
