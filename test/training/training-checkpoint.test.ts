/** A run on disk: it resumes bit-identically, and a damaged file is detected. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { filesOf } from '../../src/training/checkpoint';
import { trainerOptionsOf } from '../../src/training/recipe';
import { Trainer } from '../../src/training/trainer';
import {
  isInterrupted,
  type LoadedRun,
  loadRun,
  removeRun,
  saveRun,
} from '../../src/training/training-checkpoint';
import { saveSafetensors } from '../../src/weights/safetensors';
import { toStateDict } from '../../src/weights/state-dict';
import { useTestEngine } from '../helpers';
import { build, cardOf, tiny, tokens } from './tiny-run';

beforeAll(useTestEngine);
const folder = mkdtempSync(join(tmpdir(), 'run-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('a run on disk', () => {
  /** Eight steps at once, and the same with everything rebuilt from the file after four. */
  const inTwoSessions = async (
    restoreMoments: boolean,
  ): Promise<{ whole: number[]; resumed: number[] }> => {
    const unbroken = build({ steps: 8 });
    await unbroken.trainer.run();
    const first = build({ steps: 8 });
    const stop = new AbortController();
    await first.trainer.run({
      signal: stop.signal,
      onStep: ({ step }) => (step === 4 ? stop.abort() : undefined),
    });
    expect(first.trainer.step).toBe(4);
    const name = join(folder, 'run');
    saveRun(name, first.trainer, cardOf(first.trainer));
    const { model, optimizer, card } = loadRun(name);
    const second = new Trainer(model, tokens, trainerOptionsOf({ ...tiny, steps: 8 }));
    const none = {
      steps: 4,
      moments: Object.fromEntries(
        Object.entries(optimizer.moments).map(([w, { m, v }]) => [
          w,
          { m: m.map(() => 0), v: v.map(() => 1) },
        ]),
      ),
    };
    second.restore(restoreMoments ? optimizer : none, card.curve);
    await second.run();
    for (const { trainer, model: m } of [unbroken, first]) {
      trainer.dispose();
      m.dispose();
    }
    second.dispose();
    model.dispose();
    return { whole: unbroken.trainer.curve.losses, resumed: second.curve.losses };
  };
  it('resumes with bit-identical losses', async () => {
    const { whole, resumed } = await inTwoSessions(true);
    expect(whole.length).toBe(8);
    expect(resumed).toEqual(whole);
  });
  it('the comparison notices if the optimiser’s moments are lost', async () => {
    const { whole, resumed } = await inTwoSessions(false);
    expect(resumed.slice(0, 5)).toEqual(whole.slice(0, 5));
    expect(resumed.slice(5)).not.toEqual(whole.slice(5));
  });
});

describe('a damaged run', () => {
  const name = join(folder, 'damaged');
  const { run, previousRun, refusedRun } = filesOf(name);
  /** Saved after step 1 and again after step 2; returns both files. */
  const savedTwice = async (): Promise<{ first: Buffer; second: Buffer }> => {
    for (const path of [run, previousRun, refusedRun]) rmSync(path, { force: true });
    const { model, trainer } = build();
    await trainer.takeStep();
    saveRun(name, trainer, cardOf(trainer));
    const first = readFileSync(run);
    await trainer.takeStep();
    saveRun(name, trainer, cardOf(trainer));
    trainer.dispose();
    model.dispose();
    return { first, second: readFileSync(run) };
  };
  const loaded = <T>(look: (run: LoadedRun) => T): T => {
    const run = loadRun(name);
    try {
      return look(run);
    } finally {
      run.model.dispose();
    }
  };
  const stepOf = ({ card }: LoadedRun): number => card.curve.losses.length;

  it('undamaged, the newer file is used without a note', async () => {
    const { first } = await savedTwice();
    expect(loaded(stepOf)).toBe(2);
    expect(loaded(({ note }) => note)).toBeUndefined();
    expect(readFileSync(previousRun).equals(first)).toBe(true);
    expect(readdirSync(folder).filter((file) => file.endsWith('.writing'))).toEqual([]);
  });
  const flipped = (file: Buffer, at: number): Buffer => {
    const copy = Buffer.from(file);
    copy[at] ^= 1;
    return copy;
  };
  const foreign = (): Buffer => {
    const path = join(folder, 'foreign');
    saveSafetensors(
      path,
      new Map([['weight/x', { dtype: 'F32', shape: [1], data: Float32Array.of(1) }]]),
    );
    return readFileSync(path);
  };
  it.each<[string, (file: Buffer) => Buffer, RegExp]>([
    ['cut short', (file) => file.subarray(0, file.length - 100), /truncated|take .* bytes/],
    ['empty', () => Buffer.alloc(0), /the file has 0 bytes/],
    [
      'with one bit of the last weight flipped',
      (file) => flipped(file, file.length - 2),
      /the checksum is wrong/,
    ],
    [
      'with another digit in its card',
      (file) =>
        Buffer.from(file.toString('latin1').replace('\\"seed\\":1', '\\"seed\\":2'), 'latin1'),
      /the checksum is wrong/,
    ],
    ['a file of another program', foreign, /format is undefined; allowed: "cache-once run 1"/],
    [
      'not a safetensors file',
      () => Buffer.from('{"a": "picture of a whale"}'),
      /header is said to be/,
    ],
  ])('%s: refused with a reason, and the file before it is used', async (_, damage, word) => {
    const { first, second } = await savedTwice();
    const damaged = damage(second);
    expect(damaged.equals(second)).toBe(false);
    writeFileSync(run, damaged);
    const before = tf.memory().numTensors;
    expect(loaded(({ note, card }) => [note, card.curve.losses.length])).toEqual([
      expect.stringMatching(word),
      1,
    ]);
    expect(tf.memory().numTensors).toBe(before);
    // The next save must not replace the good file by the damaged one.
    expect([
      existsSync(run),
      readFileSync(refusedRun).equals(damaged),
      readFileSync(previousRun).equals(first),
    ]).toEqual([false, true, true]);
  });
  it('any cut and any flipped bit is detected', async () => {
    const { second } = await savedTwice();
    fc.assert(
      fc.property(fc.nat(second.length - 1), fc.boolean(), (at, cut) => {
        writeFileSync(run, cut ? second.subarray(0, at) : flipped(second, at));
        expect(loaded(stepOf)).toBe(1);
      }),
      { numRuns: 40 },
    );
  });
  it('after a crash between the two renames, the file before is used', async () => {
    await savedTwice();
    rmSync(run);
    expect(isInterrupted(name)).toBe(true);
    expect(loaded(({ note, card }) => [note, card.curve.losses.length])).toEqual([
      expect.stringMatching(/the file is missing\n.*goes on from.*after step 1/),
      1,
    ]);
  });
  it('both damaged, or none left: refused with the reasons, and nothing is moved', async () => {
    await savedTwice();
    for (const path of [run, previousRun]) writeFileSync(path, 'not a run');
    expect(() => loadRun(name)).toThrow(
      /damaged.resume.safetensors.*\n.*previous.safetensors.*\nNeither file can be used/,
    );
    rmSync(previousRun);
    expect(() => loadRun(name)).toThrow(
      /previous.safetensors: the file is missing\nNeither file can be used/,
    );
    expect(existsSync(run)).toBe(true);
    removeRun(name);
    expect(isInterrupted(name)).toBe(false);
    expect(() => loadRun(name)).toThrow(/There is no .*damaged.resume.safetensors to resume/);
  });
});

describe('stopping early', () => {
  /** Invented held-out losses, one per measurement. */
  const measured = [3, 2, 2.5, 2, 2.4, 1, 1];
  const patience = 3;
  const options = { validateEvery: 2, patience };
  it('ends at the same step in one session or in many, and keeps the best weights', async () => {
    const name = join(folder, 'patient');
    const unbroken = build();
    expect(
      await unbroken.trainer.run({
        ...options,
        validate: async () => measured[unbroken.trainer.curve.validation.length],
      }),
    ).toBe(true);
    // Lowest at the second measurement; the fourth only equals it.
    expect(unbroken.trainer.step).toBe(10);

    const first = build();
    saveRun(name, first.trainer, cardOf(first.trainer), toStateDict(first.model.parameters));
    let [model, trainer] = [first.model, first.trainer];
    for (let sessions = 0; ; sessions++) {
      const stop = new AbortController();
      const validate = async () => measured[trainer.curve.validation.length];
      const done = await trainer.run({
        ...options,
        validate,
        signal: stop.signal,
        onStep: ({ step }) => (step % 3 === 0 ? stop.abort() : undefined),
      });
      if (done) {
        expect(sessions).toBe(3);
        break;
      }
      saveRun(name, trainer, cardOf(trainer), toStateDict(model.parameters));
      trainer.dispose();
      model.dispose();
      const loaded = loadRun(name);
      expect(loaded.best).toEqual(toStateDict(loaded.model.parameters));
      model = loaded.model;
      trainer = new Trainer(model, tokens, trainerOptionsOf(tiny));
      trainer.restore(loaded.optimizer, loaded.card.curve);
    }
    expect(trainer.curve).toEqual(unbroken.trainer.curve);
    for (const one of [trainer, model, unbroken.trainer, unbroken.model]) one.dispose();
  });
  it('needs patience, and patience needs a measurement', async () => {
    const { model, trainer } = build({ steps: 12 });
    await trainer.run({
      validateEvery: 2,
      validate: async () => measured[trainer.curve.validation.length],
    });
    expect(trainer.step).toBe(12);
    await expect(trainer.run({ patience: 2 })).rejects.toThrow(/patience is 2; give validate, too/);
    await expect(trainer.run({ patience: 0, validate: async () => 1 })).rejects.toThrow(
      /patience is 0; give a whole number/,
    );
    trainer.dispose();
    model.dispose();
  });
});
