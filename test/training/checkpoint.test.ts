/** A model on disk: two files, which are refused if they do not belong together. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { filesOf, loadModel, saveModel } from '../../src/training/checkpoint';
import { loadRun, removeRun, saveRun } from '../../src/training/training-checkpoint';
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
    expect(() => loadModel(name)).toThrow(/other.safetensors: .*is \[.*the config asks for/);
    writeFileSync(card, whole.replace('"characters": "\\n', '"characters": "\\nXYZ'));
    expect(() => loadModel(name)).toThrow(/vocabSize is 16, but the tokenizer's is 19/);
    expect(tf.memory().numTensors).toBe(before);
    trainer.dispose();
    model.dispose();
  });
});
