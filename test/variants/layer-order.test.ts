/** Variants with two kinds of layers in turn: which layer is of which kind, by its weights. */
import { beforeAll, expect, it } from 'vitest';
import { type YocoConfig, yocoConfig } from '../../src/models/config';
import { preset } from '../../src/models/presets';
import { GatedMemoryYoco } from '../../src/variants/gated-memory-yoco';
import { Interleaved } from '../../src/variants/interleaved';
import { useTestEngine } from '../helpers';

beforeAll(useTestEngine);

const config = yocoConfig({
  ...(preset('tiny-yoco') as YocoConfig),
  selfLayers: 4,
  crossLayers: 4,
});

/** The names of the weights of each layer's mixer, below `prefix`. */
function mixerWeights(names: string[], prefix: string, layers: number): string[][] {
  return Array.from({ length: layers }, (_, i) => {
    const start = `${prefix}layers.${i}.mixer.`;
    const ofLayer = names.filter((name) => name.startsWith(start));
    return ofLayer.map((name) => name.slice(start.length).replace('.weight', '')).sort();
  });
}

it('Interleaved begins with gated retention; every second layer is attention', () => {
  const model = new Interleaved(config);
  const names = model.parameters.all().map(({ name }) => name);
  const retention = ['g_proj', 'gt_proj', 'k_proj', 'out_proj', 'q_proj', 'v_proj'];
  const attention = ['wk', 'wo', 'wq', 'wv'];
  const pair = [retention, attention];
  expect(mixerWeights(names, '', 8)).toEqual([...pair, ...pair, ...pair, ...pair]);
  model.dispose();
});

it('GatedMemoryYoco begins its upper half with cross-attention; every second layer is a unit', () => {
  const model = new GatedMemoryYoco(config);
  const names = model.parameters.all().map(({ name }) => name);
  const pair = [
    ['out_proj', 'q_proj'],
    ['in_proj', 'out_proj'],
  ];
  expect(mixerWeights(names, 'cross_decoder.', 4)).toEqual([...pair, ...pair]);
  model.dispose();
});
