/** Architectures of one size, resumable studies, fits with their uncertainty, and AR hits. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parameterCount } from '../../src/costs/memory';
import { countNgrams, findArHits, measureArHits } from '../../src/evaluation/ar-hits';
import {
  architectureConfig,
  architectureNames,
  createArchitecture,
} from '../../src/evaluation/architectures';
import { convertStudy, learnerOf, modelOfKind } from '../../src/evaluation/convert-study';
import { needleStudy } from '../../src/evaluation/needle-study';
import { fitPowerLaw, resampledExponents, studentT95 } from '../../src/evaluation/power-law';
import {
  atRate,
  fromRateName,
  type RatesRun,
  ratesStudy,
  triedRates,
} from '../../src/evaluation/rates-study';
import { recallStudy } from '../../src/evaluation/recall-study';
import {
  atWidth,
  fromName,
  scalingKinds,
  scalingSettings,
  scalingStudy,
} from '../../src/evaluation/scaling-study';
import { splitsStudy } from '../../src/evaluation/splits-study';
import {
  byKind,
  commandOf,
  openStudy,
  readStudy,
  saveStudy,
  spread,
  trainAndMeasure,
} from '../../src/evaluation/study';
import type { YocoConfig } from '../../src/models/config';
import { createModel, preset } from '../../src/models/presets';
import { toStateDict } from '../../src/weights/state-dict';
import { SeededRandom, useTestEngine } from '../helpers';
import { FadingModel } from '../inference/fading-model';

beforeAll(useTestEngine);
const folder = mkdtempSync(join(tmpdir(), 'study-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('architectures', () => {
  const size = { vocabSize: 64, dim: 64, heads: 2, layers: 4, windowSize: 8 };

  it.each(architectureNames)('%s has as many weights as the Transformer, and is causal', (name) => {
    const target = parameterCount(architectureConfig('Transformer', size)).total;
    const model = createArchitecture(name, size, 1);
    const oneFfnUnit = 3 * size.dim * size.layers;
    expect(Math.abs(model.parameters.count - target)).toBeLessThanOrEqual(oneFfnUnit / 2);

    const logitsOf = (tokens: number[]) =>
      tf.tidy(() => model.forward([tokens]).reshape([-1, 64]).arraySync()) as number[][];
    const logits = logitsOf([1, 2, 3, 4, 5]);
    const changed = logitsOf([1, 2, 3, 4, 6]); // another last token
    expect(logits.flat().every(Number.isFinite)).toBe(true);
    expect(changed.slice(0, 4)).toEqual(logits.slice(0, 4));
    expect(changed[4]).not.toEqual(logits[4]);
    model.dispose();
  });

  it.each(architectureNames.slice(1))('%s has the layers and the mixer of its name', (name) => {
    const { selfLayers, crossLayers, selfDecoder } = architectureConfig(name, size) as YocoConfig;
    const [self, cross] = /\d:\d/.test(name)
      ? name.slice(-3).split(':').map(Number)
      : [name === 'no self-decoder' ? 0 : 1, name.endsWith(' only') ? 0 : 1];
    expect(selfLayers + crossLayers).toBe(size.layers);
    expect(selfLayers * cross).toBe(crossLayers * self);
    const mixers = { 'fixed retention': 'retention', window: 'sliding-window' };
    const named = Object.entries(mixers).find(([word]) => name.includes(word));
    expect(selfDecoder).toBe(named ? named[1] : 'gated-retention');
  });
  it('refuses a split that does not give whole layers, and unknown names', () => {
    const config = () => architectureConfig('YOCO 3:1', { ...size, layers: 2 });
    expect(config).toThrow(/selfLayers is 1.5/);
    const unknown = () => architectureConfig('Mamba' as never, size);
    expect(unknown).toThrow(/there is no architecture Mamba; give Transformer; YOCO, gated/);
  });
});

describe('the file of a study', () => {
  const settings = { steps: 2, pairs: [4, 8] };
  const head = { study: 'recall', command: 'npm run study -- recall', settings };
  const run = { kind: 'a', seed: 1, parameters: 2, seconds: 3, engine: 'wasm' };
  const path = join(folder, 'study.json');

  it('is resumed with the runs that it has, one run a line', () => {
    const first = openStudy(path, head);
    expect(first.runs).toEqual([]);
    saveStudy(path, { ...first, runs: [run, { ...run, seed: 2 }] });
    expect(openStudy(path, head).runs).toHaveLength(2);
    expect(readStudy(path)).toEqual({ ...head, runs: [run, { ...run, seed: 2 }] });
    expect(readFileSync(path, 'utf8').match(/^ {4}\{.*\},?$/gm)).toHaveLength(2);
  });

  it('is refused if it was made with other settings, or is not a study', () => {
    expect(() => openStudy(path, { ...head, settings: { ...settings, steps: 3 } })).toThrow(
      /other settings \(steps\).*--out/,
    );
    expect(() => openStudy(path, { ...head, study: 'needle' })).toThrow(/other settings \(study\)/);
    writeFileSync(join(folder, 'no.json'), '{"a": 1}');
    expect(() => readStudy(join(folder, 'no.json'))).toThrow(
      /is not a study: it needs "study" and "runs"/,
    );
    writeFileSync(join(folder, 'cut.json'), '{"study": "rec');
    expect(() => readStudy(join(folder, 'cut.json'))).toThrow(/is not a study: .*JSON/);
  });

  it('names the command that makes its runs', () => {
    const study = { name: 'recall', kinds: ['a', 'b, wide'] };
    const b = { kind: 'b, wide', seed: 10 };
    expect(commandOf(study, [b, run, { ...b, seed: 1 }])).toBe(
      'npm run study -- recall --seeds 1 10',
    );
    expect(commandOf(study, [b])).toBe("npm run study -- recall --seeds 10 --kinds 'b, wide'");
  });

  it('is summarised by the mean, the least and the most of each kind', () => {
    expect(spread([1, 2, 6])).toEqual({ mean: 3, least: 1, most: 6, count: 3 });
    expect(() => spread([])).toThrow(/no values/);
    const runs = [run, { ...run, kind: 'b' }, { ...run, parameters: 4 }];
    expect([...byKind(runs, ({ parameters }) => parameters)]).toEqual([
      ['a', { mean: 3, least: 2, most: 4, count: 2 }],
      ['b', { mean: 2, least: 2, most: 2, count: 1 }],
    ]);
  });
});

describe('notebooks/results', () => {
  const results = join(__dirname, '..', '..', 'notebooks', 'results');
  const studies = [recallStudy, needleStudy, ratesStudy, scalingStudy, splitsStudy, convertStudy];

  it('has one file for each study', () => {
    const names = studies.map(({ name }) => `${name}.json`);
    expect(readdirSync(results).sort()).toEqual(names.sort());
  });

  it.each(studies)('$name.json has the settings of the study, and kinds that it has', (study) => {
    const path = join(results, `${study.name}.json`);
    const stored = readStudy(path);
    expect(JSON.stringify(stored.settings)).toBe(JSON.stringify(study.settings));
    expect(stored.runs.length).toBeGreaterThan(0);
    for (const { kind } of stored.runs) expect(study.kinds).toContain(kind);
    const runs = stored.runs.map(({ kind, seed }) => `${kind} ${seed}`);
    expect(new Set(runs).size).toBe(runs.length);
    // The command makes these runs and no others: every kind in it with every seed in it.
    expect(stored.command).toBe(commandOf(study, stored.runs));
    const kinds = new Set(stored.runs.map(({ kind }) => kind));
    const seeds = new Set(stored.runs.map(({ seed }) => seed));
    expect(stored.runs).toHaveLength(kinds.size * seeds.size);
    // Written again, the file is the same to the byte.
    const copy = join(folder, `${study.name}.json`);
    saveStudy(copy, stored);
    expect(readFileSync(copy, 'utf8')).toBe(readFileSync(path, 'utf8'));
  });
});

describe('the learning rates of the scaling study', () => {
  const path = join(__dirname, '..', '..', 'notebooks', 'results', 'rates.json');
  const { runs } = readStudy<RatesRun>(path);

  it.each(scalingKinds)('%s has the best rate of those that were tried', (kind) => {
    const lossAt = (rate: number) => runs.find((run) => run.kind === atRate(kind, 32, rate))?.loss;
    const tried = triedRates.filter((rate) => lossAt(rate) !== undefined);
    const [best] = [...tried].sort((a, b) => lossAt(a)! - lossAt(b)!);
    expect(scalingSettings.learningRateAt64[kind]).toBe(best);
    // Otherwise a rate that was not tried may be better.
    expect(best).toBeGreaterThan(Math.min(...tried));
    expect(best).toBeLessThan(Math.max(...tried));
  });
});

describe('a run', () => {
  it('depends on the settings and the seed alone', async () => {
    const settings = { ...recallStudy.settings, steps: 3, dim: 16, batch: 4 };
    const first = await recallStudy.run('YOCO, window', 1, settings);
    expect(Object.keys(first)).toEqual(['parameters', 'accuracy', 'losses']);
    expect(await recallStudy.run('YOCO, window', 1, settings)).toEqual(first);
    expect(await recallStudy.run('YOCO, window', 2, settings)).not.toEqual(first);
  });

  it('of a converted model measures at the moments, learns from a teacher, and frees all', async () => {
    const before = tf.memory().numTensors;
    const transformer = createModel({ ...preset('tiny-transformer'), kvHeads: 4 });
    const text = Int32Array.from({ length: 200 }, (_, i) => (i * i + 3 * i) % 64);
    const settings = { ...convertStudy.settings, steps: 4, batch: 2, context: 8 };
    const losses = new Map<string, number[]>();
    for (const kind of ['window, converted', 'window, converted, distilled', 'window']) {
      const student = modelOfKind(kind, transformer, 1, settings);
      const trainer = learnerOf(kind, student, transformer, text, 1, settings);
      const moments: number[] = [];
      const afterStep = async (step: number) => void moments.push(step);
      const plan = { stepsPerLoss: 3, afterStep };
      const result = await trainAndMeasure(trainer, plan, async () => ({ moments }));
      expect(result.moments).toEqual([0, 1, 2, 3, 4]);
      expect(result.losses).toHaveLength(2); // a mean of 3 steps, and the last step
      losses.set(kind, result.losses);
    }
    const [converted, distilled, fresh] = losses.values();
    expect(distilled).not.toEqual(converted);
    expect(fresh).not.toEqual(converted);
    transformer.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  it('of a model with noise begins near the converted one, further away with more of it', () => {
    const transformer = createModel({ ...preset('tiny-transformer'), kvHeads: 4 });
    const weightsOf = (kind: string) => {
      const model = modelOfKind(kind, transformer, 1, convertStudy.settings);
      const lists = [...toStateDict(model.parameters).values()].map(({ data }) => [...data]);
      model.dispose();
      return lists;
    };
    const converted = weightsOf('window, converted');
    const length = (list: number[]) => Math.hypot(...list);
    for (const size of [0, 0.2, 0.5]) {
      for (const [i, list] of weightsOf(`window, converted, noise ${size}`).entries()) {
        const moved = length(list.map((x, j) => x - converted[i][j]));
        const share = moved / length(converted[i]);
        expect(Math.abs(share - size)).toBeLessThanOrEqual(0.3 * size);
      }
    }
    transformer.dispose();
  });

  it('of the scaling study has a name, from which kind and width can be read', () => {
    expect(fromName(atWidth('YOCO, window', 64))).toEqual({ kind: 'YOCO, window', dim: 64 });
    expect(() => fromName('YOCO')).toThrow(/not a kind at a width/);
    const parts = { kind: 'YOCO, window', dim: 64, rate: 4e-3 };
    expect(fromRateName(atRate('YOCO, window', 64, 4e-3))).toEqual(parts);
    expect(() => fromRateName('YOCO')).toThrow(/no kind at a rate/);
  });
});

describe('a power law', () => {
  const sizes = [1e4, 3e4, 1e5, 3e5, 1e6];
  const loss = (size: number) => 7 * size ** -0.08;

  it('has Student’s t for its points, not two standard errors', () => {
    // Tables of the t distribution, two-sided 95 %.
    const wanted = { 1: 12.706, 3: 3.182, 10: 2.228, 11: 2.201, 30: 2.042, 1000: 1.962 };
    for (const [degrees, t] of Object.entries(wanted)) {
      expect(studentT95(Number(degrees))).toBeCloseTo(t, 2);
    }
    expect(() => studentT95(0)).toThrow(/degrees is 0/);
    const law = fitPowerLaw(sizes.map((size, i) => ({ size, loss: loss(size) * (1 + i / 99) })));
    expect(law.margin95).toBeCloseTo(3.182 * law.standardError, 9);
  });

  it('of seeds drawn again spreads as the seeds do, and alike for kinds that differ by a factor', () => {
    const random = new SeededRandom(3);
    const points = sizes.map((size) => {
      const losses = [1, 2, 3].map(() => loss(size) * Math.exp(0.02 * random.normal()));
      return { size, losses };
    });
    const exponents = resampledExponents(points);
    const deviations = exponents.map((x) => (x - 0.08) ** 2);
    const spread = Math.sqrt(deviations.reduce((sum, x) => sum + x, 0) / deviations.length);
    // By theory 0.02 / √3 · √(2/3) over the root of Σ (ln size − mean)², 3.6; drawn seeds vary.
    expect(spread).toBeGreaterThan(0.0008);
    expect(spread).toBeLessThan(0.006);

    const twice = points.map(({ size, losses }) => ({ size, losses: losses.map((x) => 2 * x) }));
    const ofTwice = resampledExponents(twice);
    for (const [i, exponent] of exponents.entries()) expect(ofTwice[i]).toBeCloseTo(exponent, 9);
    const same = points.map(({ size, losses }) => ({ size, losses: losses.map(() => losses[0]) }));
    expect(new Set(resampledExponents(same, 20)).size).toBe(1);
    expect(() => resampledExponents([{ size: 1, losses: [1] }])).toThrow(/give two seeds or more/);
  });

  it('is found exactly without noise', () => {
    const law = fitPowerLaw(sizes.map((size) => ({ size, loss: loss(size) })));
    expect(law.exponent).toBeCloseTo(0.08, 12);
    expect(law.standardError).toBeLessThan(1e-9);
    expect(law.predict(1e7)).toBeCloseTo(loss(1e7), 9);
  });

  it('is within the 95 % interval of its standard error in about 95 % of noisy fits', () => {
    const random = new SeededRandom(1);
    let inside = 0;
    for (let trial = 0; trial < 400; trial++) {
      const noisy = (size: number) => loss(size) * Math.exp(0.02 * random.normal());
      const law = fitPowerLaw(sizes.map((size) => ({ size, loss: noisy(size) })));
      if (Math.abs(law.exponent - 0.08) < law.margin95) inside++;
    }
    expect(inside / 400).toBeGreaterThan(0.91);
    expect(inside / 400).toBeLessThan(0.985);
  });

  it('is refused for two points, and for numbers that have no logarithm', () => {
    const points = (count: number, loss: number) =>
      sizes.slice(0, count).map((size) => ({ size, loss }));
    expect(() => fitPowerLaw(points(2, 1))).toThrow(/three sizes or more/);
    expect(() => fitPowerLaw(points(5, 0))).toThrow(/loss 0; give numbers above 0/);
    const fromNothing = [0, 1, 2].map((size) => ({ size, loss: 1 }));
    expect(() => fitPowerLaw(fromNothing)).toThrow(/size is 0, loss 1; give numbers above 0/);
  });
});

describe('AR hits', () => {
  it('end an n-gram that came before in the window and is rare in the training text', () => {
    const trainCounts = countNgrams([1, 2, 1, 2, 1, 2, 3, 4], 2); // (1,2) three times
    const window = [3, 4, 1, 2, 3, 4, 1, 2];
    const hits = (maxTrainCount: number) =>
      findArHits(window, { order: 2, trainCounts, maxTrainCount }).map(Number);
    //        pairs: 34 41 12 23 34 41 12
    expect(hits(1)).toEqual([0, 0, 0, 0, 1, 1, 0]);
    expect(hits(3)).toEqual([0, 0, 0, 0, 1, 1, 1]);
    // Runs of three: 341 412 123 234, and 341 and 412 again.
    const ofThree = { order: 3, trainCounts: countNgrams([], 3), maxTrainCount: 0 };
    expect(findArHits(window, ofThree).map(Number)).toEqual([0, 0, 0, 0, 0, 1, 1]);
  });

  it('have the losses that loops over the logits give', async () => {
    const model = new FadingModel();
    const pattern = [3, 1, 4, 1, 5, 3, 1];
    const tokens = Int32Array.from({ length: 41 }, (_, i) => pattern[(i * i) % 7]);
    const pairsOf = (list: Int32Array) =>
      [...list.keys()].slice(1).map((i) => `${list[i - 1]} ${list[i]}`);
    const training = tokens.slice(0, 9);
    const trainCounts = countNgrams(training, 2);
    const rule = { order: 2, trainCounts, maxTrainCount: 1 };
    const measured = await measureArHits(model, tokens, { ...rule, context: 10, batch: 3 });

    const losses = { arHit: [] as number[], firstOccurrence: [] as number[] };
    for (let start = 0; start + 10 < tokens.length; start += 10) {
      const window = tokens.slice(start, start + 11);
      const pairs = pairsOf(window);
      const logits = tf.tidy(() => model.forward([[...window.slice(0, -1)]]).arraySync())[0];
      for (const [n, row] of logits.entries()) {
        const count = pairsOf(training).filter((pair) => pair === pairs[n]).length;
        const isHit = pairs.indexOf(pairs[n]) < n && count <= 1;
        const total = row.reduce((sum, logit) => sum + Math.exp(logit), 0);
        const loss = Math.log(total) - row[window[n + 1]];
        losses[isHit ? 'arHit' : 'firstOccurrence'].push(loss);
      }
    }
    const mean = (list: number[]) => list.reduce((sum, x) => sum + x, 0) / list.length;
    expect(losses.arHit.length).toBeGreaterThan(3);
    expect(measured.arHit).toBeCloseTo(mean(losses.arHit), 4);
    expect(measured.firstOccurrence).toBeCloseTo(mean(losses.firstOccurrence), 4);
    expect(measured.all).toBeCloseTo(mean([...losses.arHit, ...losses.firstOccurrence]), 4);
    expect(measured.share).toBeCloseTo(losses.arHit.length / 40, 9);
  });
});
