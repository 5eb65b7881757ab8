/** A model on disk: two files, which are refused if they do not belong together. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { ledger, watchTensors } from '../../src/tensor/ledger';
import { filesOf, loadModel, saveModel } from '../../src/training/checkpoint';
import { loadRun, removeRun, saveRun } from '../../src/training/training-checkpoint';
import { fromBF16, toBF16 } from '../../src/weights/half-precision';
import { saveSafetensors } from '../../src/weights/safetensors';
import { toStateDict } from '../../src/weights/state-dict';
import { expectClose, useTestEngine } from '../helpers';
import { build, cardOf } from './tiny-run';

beforeAll(useTestEngine);
const folder = mkdtempSync(join(tmpdir(), 'model-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('a model on disk', () => {
  it('gives the same logits and the same card', async () => {
    const { model, trainer } = build();
    await trainer.takeStep();
    const name = join(folder, 'models', 'tiny.safetensors'); // the ending is not part of the name
    saveModel(name, model, cardOf(trainer));
    saveRun(name, trainer, cardOf(trainer));
    removeRun(name);
    expect(readdirSync(join(folder, 'models')).sort()).toEqual(['tiny.json', 'tiny.safetensors']);
    const before = tf.memory().numTensors;
    const loaded = loadModel(join(folder, 'models', 'tiny'));
    expect(loaded.tokenizer.decode(loaded.tokenizer.encode('whale'))).toBe('whale');
    expect(loaded.card.curve).toEqual(trainer.curve);
    tf.tidy(() =>
      expectClose(loaded.model.forward([[1, 2, 3]]), model.forward([[1, 2, 3]]), {
        ofLargest: 0,
        absolute: 0,
      }),
    );
    loaded.model.dispose();
    expect(tf.memory().numTensors).toBe(before);
    trainer.dispose();
    model.dispose();
  });
  it('is refused if a file is missing, cut short or of another model', () => {
    const { model, trainer } = build();
    const name = join(folder, 'other');
    saveModel(name, model, cardOf(trainer));
    const { card } = filesOf(name);
    const whole = readFileSync(card, 'utf8');
    const before = tf.memory().numTensors;
    expect(() => loadModel(join(folder, 'none'))).toThrow(
      /there is no .*none.json; `npm run train` makes/,
    );
    expect(() => loadRun(name)).toThrow(/There is no .*other.resume.safetensors to resume/);
    writeFileSync(card, whole.slice(0, 200));
    expect(() => loadModel(name)).toThrow(/other.json: this is not JSON.*cut short/);
    writeFileSync(card, whole.replace('cache-once model 1', 'something'));
    expect(() => loadModel(name)).toThrow(/format is "something"; allowed/);
    writeFileSync(card, whole.replace('"dim": 16', '"dim": 32'));
    expect(() => loadModel(name)).toThrow(
      /other.json: dim is 32, but .*other.safetensors has embed_tokens.weight \[16, 16\], which/,
    );
    writeFileSync(card, whole.replace('"characters": "\\n', '"characters": "\\nXYZ'));
    expect(() => loadModel(name)).toThrow(/vocabSize is 16, but the tokenizer's is 19/);
    expect(tf.memory().numTensors).toBe(before);
    trainer.dispose();
    model.dispose();
  });
});

describe('a card is believed only as far as the weights agree', () => {
  type Change = Record<string, unknown>;
  /** Loads the model after a change of its card; returns the message and how many tensors it made. */
  function loadTampered(name: string, change: (card: Change & { config: Change }) => void) {
    const { card } = filesOf(name);
    const whole = readFileSync(card, 'utf8');
    const tampered = JSON.parse(whole);
    change(tampered);
    writeFileSync(card, JSON.stringify(tampered));
    let made = 0;
    const stopWatching = watchTensors(() => made++);
    const before = ledger();
    try {
      loadModel(name).model.dispose();
      return { message: 'loaded', made, leaked: false };
    } catch (error) {
      const leaked = JSON.stringify(ledger()) !== JSON.stringify(before);
      return { message: `${(error as Error).name}: ${(error as Error).message}`, made, leaked };
    } finally {
      stopWatching();
      writeFileSync(card, whole);
    }
  }
  const recipes = {
    'gated retention': {},
    'a window': { selfDecoder: 'sliding-window' },
    retention: { selfDecoder: 'retention' },
    transformer: { model: 'transformer' },
  } as const;
  const sizes: Record<keyof typeof recipes, string[]> = {
    'gated retention': ['selfLayers', 'crossLayers', 'kvHeads', 'selfHeads'],
    'a window': ['selfLayers', 'crossLayers', 'kvHeads'],
    retention: ['selfLayers', 'crossLayers', 'kvHeads'],
    transformer: ['layers', 'heads', 'kvHeads', 'headDim'],
  };

  it.each(Object.keys(recipes) as (keyof typeof recipes)[])(
    '%s: every size that is not the file’s is refused by name, and nothing is allocated',
    (kind) => {
      const { model, trainer } = build(recipes[kind]);
      const name = join(folder, `tampered-${kind}`);
      saveModel(name, model, cardOf(trainer));
      expect(loadTampered(name, () => undefined).message).toBe('loaded');
      const fields = ['vocabSize', 'dim', 'ffnDim', ...sizes[kind]];
      const values = [
        1e9,
        1e7,
        64,
        null,
        -1,
        0,
        1.5,
        '16',
        'x'.repeat(1e5),
        true,
        [16],
        {},
        undefined,
      ];
      for (const field of fields)
        for (const value of values) {
          const tampering = (card: { config: Change }) => {
            card.config[field] = value;
            // Heads that divide each other, so that the shapes are what is wrong.
            if (field === 'kvHeads' && typeof value === 'number') card.config.heads = value;
          };
          const { message, made, leaked } = loadTampered(name, tampering);
          const what = `${field}: ${JSON.stringify(value)?.slice(0, 20)} gives ${message}`;
          const named = field === 'kvHeads' ? 'kvHeads|heads' : field;
          expect(message, what).toMatch(
            new RegExp(`^RangeError: .*tampered-.*json: .*\\b(${named})\\b`),
          );
          expect(message.length, what).toBeLessThan(500);
          expect([made, leaked], what).toEqual([0, false]);
        }
      trainer.dispose();
      model.dispose();
    },
  );
  it('other fields, and parts that are missing', () => {
    const { model, trainer } = build();
    const name = join(folder, 'tampered');
    saveModel(name, model, cardOf(trainer));
    const cases: [(card: Change & { config: Change }) => void, RegExp][] = [
      [
        ({ config }) => (config.normEps = null),
        /tampered.json: config: normEps is null; give a num/,
      ],
      [({ config }) => (config.ropeTheta = -1), /ropeTheta is -1; give a number above 0/],
      [({ config }) => delete config.embeddingScale, /embeddingScale is missing; a yoco's config/],
      [({ config }) => delete config.gateTemperature, /gateTemperature is missing/],
      [({ config }) => (config.keyScale = 'yes'), /keyScale is "yes"; allowed: true, false/],
      [
        ({ config }) => (config.selfDecoder = 'retention'),
        /selfDecoder is "retention", but .*also/,
      ],
      [
        ({ config }) => Object.assign(config, { selfDecoder: 'sliding-window', windowSize: 4 }),
        /selfDecoder is "sliding-window", but .*tampered.safetensors has also self_decoder.*g_proj/,
      ],
      [({ config }) => (config.kind = 'transformer'), /chunkSize is no field of a transformer/],
      [(card) => (card.config = [] as unknown as Change), /kind is missing/],
      [(card) => (card.tokenizer = { kind: 'words' }), /tampered.json: tokenizerFrom: got/],
      [
        (card) => (card.tokenizer = { kind: 'byte-pair', merges: [[1, 1e9]] }),
        /tampered.json: byte-pair: merge 0/,
      ],
      [(card) => (card.curve = {}), /tampered.json: curve.losses is missing/],
    ];
    for (const [change, expected] of cases) {
      const { message, made, leaked } = loadTampered(name, change);
      expect(message).toMatch(/^RangeError/);
      expect(message).toMatch(expected);
      expect([made, leaked]).toEqual([0, false]);
    }
    trainer.dispose();
    model.dispose();
  });
});

describe('weights in other files', () => {
  it('in BF16 the model computes with the rounded weights, and the reader is told', () => {
    const { model, trainer } = build();
    const name = join(folder, 'half');
    saveModel(name, model, cardOf(trainer), { floatsAs: 'BF16' });
    const said = vi.spyOn(console, 'info').mockImplementation(() => undefined);
    const loaded = loadModel(name);
    expect(said.mock.calls).toEqual([[loaded.note]]);
    said.mockRestore();
    expect(loaded.note).toMatch(/half.safetensors: (\d+) of \1 tensors are stored in half/);
    const rounded = [...toStateDict(model.parameters)].map(([weight, tensor]) => [
      weight,
      { ...tensor, data: fromBF16(toBF16(tensor.data as Float32Array)) },
    ]);
    expect([...toStateDict(loaded.model.parameters)]).toEqual(rounded);
    loaded.model.dispose();
    trainer.dispose();
    model.dispose();
  });
  it('in shards the model is the same', () => {
    const { model, trainer } = build();
    const name = join(folder, 'cut');
    saveModel(name, model, cardOf(trainer));
    rmSync(filesOf(name).weights);
    const weights = [...toStateDict(model.parameters)];
    const weight_map: Record<string, string> = {};
    for (const [i, part] of [weights.slice(0, 9), weights.slice(9)].entries()) {
      saveSafetensors(join(folder, `cut-${i}.safetensors`), new Map(part));
      for (const [weight] of part) weight_map[weight] = `cut-${i}.safetensors`;
    }
    writeFileSync(filesOf(name).weightsIndex, JSON.stringify({ weight_map }));
    for (const given of [name, filesOf(name).weightsIndex]) {
      const loaded = loadModel(given);
      expect([...toStateDict(loaded.model.parameters)]).toEqual(weights);
      loaded.model.dispose();
    }
    trainer.dispose();
    model.dispose();
  });
});
