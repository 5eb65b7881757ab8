/** Contestants of one size, studies that survive being stopped, fits with their uncertainty, and the loss split in two. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parameterCount } from '../../src/costs/memory';
import { hitsOf, recallOnText, runCounts } from '../../src/evaluation/ar-hits';
import {
  contestantConfig,
  contestantNames,
  createContestant,
} from '../../src/evaluation/architectures';
import { fitPowerLaw } from '../../src/evaluation/power-law';
import { recallStudy } from '../../src/evaluation/recall-study';
import { atWidth, fromName } from '../../src/evaluation/scaling-study';
import { studies } from '../../src/evaluation/studies';
import { byKind, openStudy, readStudy, saveStudy, spread } from '../../src/evaluation/study';
import { SeededRandom, useTestEngine } from '../helpers';
import { FadingModel } from '../inference/fading-model';

beforeAll(useTestEngine);
const folder = mkdtempSync(join(tmpdir(), 'study-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('contestants', () => {
  const size = { vocabSize: 64, dim: 64, heads: 2, layers: 4, windowSize: 8 };
  it.each(contestantNames)(
    '%s has as many weights as the Transformer, within one unit of FFN width',
    (name) => {
      const target = parameterCount(contestantConfig('Transformer', size)).total;
      const model = createContestant(name, size, 1);
      expect(Math.abs(model.parameters.count - target)).toBeLessThanOrEqual(
        (3 * size.dim * size.layers) / 2,
      );
      const logits = tf.tidy(() => Array.from(model.logits([[1, 2, 3, 4, 5]]).dataSync()));
      const changed = tf.tidy(() => Array.from(model.logits([[1, 2, 3, 4, 6]]).dataSync()));
      expect(logits.every(Number.isFinite)).toBe(true);
      // Causal: another last token leaves the four before it as they were.
      expect(changed.slice(0, 4 * 64)).toEqual(logits.slice(0, 4 * 64));
      expect(changed.slice(4 * 64)).not.toEqual(logits.slice(4 * 64));
      model.dispose();
    },
  );
  it('a split that does not come out in whole layers, and a name that is none, are refused', () => {
    expect(() => contestantConfig('YOCO 3:1', { ...size, layers: 2 })).toThrow(/selfLayers is 1.5/);
    expect(() => contestantConfig('Mamba' as never, size)).toThrow(
      /there is no "Mamba"; there are "Transformer"/,
    );
  });
});

describe('a study’s file', () => {
  const head = {
    study: 'recall',
    command: 'npm run study -- recall',
    settings: { steps: 2, pairs: [4, 8] },
  };
  const run = { kind: 'a', seed: 1, parameters: 2, seconds: 3, engine: 'wasm' };
  const path = join(folder, 'study.json');
  it('goes on where it stood, with one run a line', () => {
    const first = openStudy(path, head);
    expect(first.runs).toEqual([]);
    saveStudy(path, { ...first, runs: [run, { ...run, seed: 2 }] });
    expect(openStudy(path, head).runs).toHaveLength(2);
    expect(readStudy(path)).toEqual({ ...head, runs: [run, { ...run, seed: 2 }] });
    expect(readFileSync(path, 'utf8').match(/^ {4}\{.*\},?$/gm)).toHaveLength(2);
  });
  it('runs of other settings are not mixed in, and what is no study is refused', () => {
    expect(() => openStudy(path, { ...head, settings: { steps: 3, pairs: [4, 8] } })).toThrow(
      /other settings \(steps\).*--out/,
    );
    writeFileSync(join(folder, 'no.json'), '{"a": 1}');
    expect(() => readStudy(join(folder, 'no.json'))).toThrow(
      /is no study; it needs "study" and "runs"/,
    );
    writeFileSync(join(folder, 'cut.json'), '{"study": "rec');
    expect(() => readStudy(join(folder, 'cut.json'))).toThrow(/is no study \(/);
  });
  it('a spread is the mean with the least and the most', () => {
    expect(spread([1, 2, 6])).toEqual({ mean: 3, least: 1, most: 6, count: 3 });
    expect(() => spread([])).toThrow(/no values/);
    const runs = [run, { ...run, kind: 'b' }, { ...run, parameters: 4 }];
    expect([...byKind(runs, ({ parameters }) => parameters)]).toEqual([
      ['a', { mean: 3, least: 2, most: 4, count: 2 }],
      ['b', { mean: 2, least: 2, most: 2, count: 1 }],
    ]);
  });
  it('what is stored in notebooks/results was made with the settings of today, by kinds that exist', () => {
    for (const study of Object.values(studies)) {
      const stored = readStudy(
        join(__dirname, '..', '..', 'notebooks', 'results', `${study.name}.json`),
      );
      expect(stored.settings).toEqual(study.settings);
      expect(stored.runs.length).toBeGreaterThan(0);
      for (const { kind } of stored.runs) expect(study.kinds).toContain(kind);
      const twice = stored.runs.map(({ kind, seed }) => `${kind} ${seed}`);
      expect(new Set(twice).size).toBe(twice.length);
    }
  });
  it('a run is the same twice: what decides it is in the settings and the seed', async () => {
    const settings = { ...recallStudy.settings, steps: 3, dim: 16, batch: 4 };
    const once = await recallStudy.run('YOCO, window', 1, settings);
    expect(await recallStudy.run('YOCO, window', 1, settings)).toEqual(once);
    expect(await recallStudy.run('YOCO, window', 2, settings)).not.toEqual(once);
  });
  it('a kind at a width is a name and back', () => {
    expect(fromName(atWidth('YOCO, window', 64))).toEqual({ kind: 'YOCO, window', dim: 64 });
    expect(() => fromName('YOCO')).toThrow(/no kind at a width/);
  });
});

describe('a power law', () => {
  const sizes = [1e4, 3e4, 1e5, 3e5, 1e6];
  it('is found again, exactly without noise', () => {
    const law = fitPowerLaw(sizes.map((size) => ({ size, loss: 7 * size ** -0.08 })));
    expect(law.exponent).toBeCloseTo(0.08, 12);
    expect(law.coefficient).toBeCloseTo(7, 9);
    expect(law.standardError).toBeLessThan(1e-9);
    expect(law.predict(1e7)).toBeCloseTo(7 * 1e7 ** -0.08, 9);
  });
  it('with noise, two standard errors hold the truth about 19 times of 20', () => {
    const random = new SeededRandom(1);
    let held = 0;
    for (let trial = 0; trial < 400; trial++) {
      const law = fitPowerLaw(
        sizes.map((size) => ({ size, loss: 7 * size ** -0.08 * Math.exp(0.02 * random.normal()) })),
      );
      if (Math.abs(law.exponent - 0.08) < 3.18 * law.standardError) held++; // Student's t for 3 degrees of freedom: 95 %
    }
    expect(held / 400).toBeGreaterThan(0.91);
    expect(held / 400).toBeLessThan(0.985);
  });
  it('two points, and what has no logarithm, are refused', () => {
    expect(() => fitPowerLaw(sizes.slice(0, 2).map((size) => ({ size, loss: 1 })))).toThrow(
      /three sizes or more/,
    );
    expect(() => fitPowerLaw(sizes.map((size) => ({ size, loss: 0 })))).toThrow(/has no logarithm/);
  });
});

describe('what could be recalled', () => {
  it('a hit ends a run that came before in the window and is rare in what was learned', () => {
    const learned = runCounts([1, 2, 1, 2, 1, 2, 3, 4], 2); // (1,2) three times
    const window = [3, 4, 1, 2, 3, 4, 1, 2];
    //            pairs:  34 41 12 23 34 41 12
    expect(hitsOf(window, { order: 2, learned, rare: 1 })).toEqual([
      false,
      false,
      false,
      false,
      true,
      true,
      false,
    ]);
    expect(hitsOf(window, { order: 2, learned, rare: 3 })).toEqual([
      false,
      false,
      false,
      false,
      true,
      true,
      true,
    ]);
    // Runs of three: 34 1 | 41 2 | 12 3 | 23 4 | 34 1 again, and so is 41 2.
    expect(hitsOf(window, { order: 3, learned: runCounts([], 3), rare: 0 })).toEqual([
      false,
      false,
      false,
      false,
      false,
      true,
      true,
    ]);
  });
  it('both parts weigh up to the whole, against loops over the logits', () => {
    const model = new FadingModel();
    const { vocabSize } = model.config;
    const tokens = Int32Array.from(
      { length: 41 },
      (_, i) => [3, 1, 4, 1, 5, 3, 1][(i * i) % 7] % vocabSize,
    );
    const learned = runCounts(tokens.slice(0, 9), 2);
    const got = recallOnText(model, tokens, { order: 2, learned, rare: 1, context: 10, batch: 3 });
    const losses = { hit: [] as number[], first: [] as number[] };
    for (let start = 0; start + 10 < tokens.length; start += 10) {
      const window = Array.from(tokens.slice(start, start + 11));
      const logits = tf.tidy(() => model.logits([window.slice(0, -1)]).arraySync())[0];
      logits.forEach((row, n) => {
        const pairs = window
          .slice(0, n + 1)
          .map((token, i) => (i === 0 ? '' : `${window[i - 1]} ${token}`));
        const key = `${window[n]} ${window[n + 1]}`;
        let count = 0;
        for (let i = 1; i < 9; i++) if (`${tokens[i - 1]} ${tokens[i]}` === key) count++;
        const loss = Math.log(row.reduce((sum, x) => sum + Math.exp(x), 0)) - row[window[n + 1]];
        losses[pairs.includes(key) && count <= 1 ? 'hit' : 'first'].push(loss);
      });
    }
    const mean = (list: number[]) => list.reduce((sum, x) => sum + x, 0) / list.length;
    expect(losses.hit.length).toBeGreaterThan(3);
    expect(got.hit).toBeCloseTo(mean(losses.hit), 4);
    expect(got.first).toBeCloseTo(mean(losses.first), 4);
    expect(got.all).toBeCloseTo(mean([...losses.hit, ...losses.first]), 4);
    expect(got.share).toBeCloseTo(losses.hit.length / 40, 9);
  });
});
