/**
 * A step that fails, for want of memory or otherwise, changes nothing and leaves nothing behind:
 * shown with an error in one call of the engine after the other, on all engines, and with too
 * little memory on wasm. `FAILURES=all` tries every call of a step; by default every 151st.
 */
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { ParameterStore } from '../../src/layers/parameters';
import { createModel } from '../../src/models/presets';
import { limitEngineMemory } from '../../src/support/backends/wasm/heap-limit';
import { ledger } from '../../src/tensor/ledger';
import { AdamW } from '../../src/training/adamw';
import { addGradients, lossAndGradients } from '../../src/training/gradients';
import { configOf, type Recipe, trainerOptionsOf } from '../../src/training/recipe';
import { Trainer } from '../../src/training/trainer';
import { loadStateDict, toStateDict } from '../../src/weights/state-dict';
import { useTestEngine } from '../helpers';
import { build, tiny, tokenizer, tokens } from './tiny-run';

let calls = 0; // of kernels, and of `write`, which takes memory
let failingCall = 0; // 0: none fails
const countCall = (name: string) => {
  calls++;
  if (calls === failingCall) throw new Error(`no memory for ${name}`);
};
beforeAll(async () => {
  await useTestEngine();
  const backend = tf.backend();
  const { write } = backend;
  backend.write = (...data) => {
    countCall('data');
    return write.apply(backend, data);
  };
  for (const kernel of tf.getKernelsForBackend(tf.getBackend())) {
    const { kernelFunc } = kernel;
    kernel.kernelFunc = (call) => {
      countCall(kernel.kernelName);
      return kernelFunc(call);
    };
  }
});
/** Runs `work` with an error in call `n`; returns how many calls were made. */
async function failingAt(n: number, work: () => unknown): Promise<number> {
  [calls, failingCall] = [0, n];
  try {
    await work();
  } finally {
    failingCall = 0;
  }
  return calls;
}
/** The numbers 1, 1 + stride, … up to `last`, and `last`. */
function* everySoMany(stride: number, last: number): Generator<number> {
  for (let n = 1; n < last; n += stride) yield n;
  yield last;
}
const stride = process.env.FAILURES === 'all' ? 1 : 151;

const held = () => {
  const { scopeStack, gradientDepth } = (tf.engine() as unknown as { state: EngineState }).state;
  const data = (tf.backend() as unknown as { numDataIds(): number }).numDataIds();
  return { ...ledger(), data, scopes: scopeStack.length, gradientDepth };
};
interface EngineState {
  scopeStack: unknown[];
  gradientDepth: number;
}
/** A copy of all that the next step depends on. */
const stateOf = (trainer: Trainer) => {
  const weights = [...toStateDict(trainer.model.parameters)];
  return structuredClone([weights, trainer.optimizer.state(), trainer.curve]);
};

const kinds: Record<string, Partial<Recipe>> = {
  'YOCO, gated retention': { selfDecoder: 'gated-retention' },
  'YOCO, window of 4': { selfDecoder: 'sliding-window' },
  Transformer: { model: 'transformer' },
};
const ways: Record<string, Partial<Recipe>> = {
  'in one piece': {},
  'of two batches': { accumulate: 2 },
  'of two batches in chunks': { accumulate: 2, chunk: 6 },
};
const cases: [string, Partial<Recipe>][] = [];
for (const kind in kinds)
  for (const way in ways) cases.push([`${kind}, ${way}`, { ...kinds[kind], ...ways[way] }]);

describe('a step that fails', { timeout: 3_600_000 }, () => {
  it.each(cases)('leaves nothing and changes nothing: %s', async (_, recipe) => {
    const [disturbed, undisturbed] = [build(recipe), build(recipe)];
    await disturbed.trainer.takeStep();
    await undisturbed.trainer.takeStep();
    const total = await failingAt(0, () => undisturbed.trainer.takeStep());
    const [heldBefore, before] = [held(), stateOf(disturbed.trainer)];
    for (const n of everySoMany(stride, total)) {
      const step = failingAt(n, () => disturbed.trainer.takeStep());
      await expect(step, `call ${n} of ${total}`).rejects.toThrow('no memory for');
      expect(held(), `after call ${n} of ${total}`).toEqual(heldBefore);
      expect(stateOf(disturbed.trainer), `after call ${n} of ${total}`).toEqual(before);
    }
    await disturbed.trainer.takeStep();
    expect(stateOf(disturbed.trainer)).toEqual(stateOf(undisturbed.trainer));
    for (const { model, trainer } of [disturbed, undisturbed]) {
      trainer.dispose();
      model.dispose();
    }
  });

  it('leaves nothing if the loss cannot be read', async () => {
    const { model, trainer } = build();
    await trainer.takeStep();
    const before = held();
    const { read } = tf.backend();
    tf.backend().read = () => Promise.reject(new Error('the device is lost'));
    await expect(trainer.takeStep()).rejects.toThrow('the device is lost');
    tf.backend().read = read;
    expect(held()).toEqual(before);
    trainer.dispose();
    model.dispose();
  });

  it('for want of memory can be repeated, and a smaller batch trains', async (context) => {
    if (tf.getBackend() !== 'wasm') context.skip('only wasm has a limit of memory');
    const { model, trainer } = build({ batch: 3 });
    const smaller = trainerOptionsOf({ ...tiny, batch: 1 });
    const small = new Trainer(model, tokens, smaller);
    const [heldBefore, before] = [held(), stateOf(trainer)];
    const limit = limitEngineMemory(ledger().bytes + 400_000);
    try {
      for (let i = 0; i < 5; i++) {
        await expect(trainer.takeStep()).rejects.toThrow(/cannot hold.*Compute less at a time/);
        expect(held()).toEqual(heldBefore);
      }
      expect(stateOf(trainer)).toEqual(before);
      expect((await small.takeStep()).step).toBe(1);
    } finally {
      limitEngineMemory(limit);
    }
    for (const one of [small, trainer, model]) one.dispose();
  });
});

describe('all or nothing, whichever call fails', () => {
  /** Runs `work` with an error in each of its calls, and at last without one. */
  async function failingEverywhere(work: () => void, check = () => {}): Promise<void> {
    const before = held();
    for (let n = 1; ; n++) {
      let failed = false;
      const made = await failingAt(n, () => {
        try {
          work();
        } catch {
          failed = true;
        }
      });
      if (!failed) {
        expect(n).toBe(made + 1);
        return;
      }
      expect(held(), `after call ${n}`).toEqual(before);
      check();
    }
  }
  it('an optimiser’s start, update and restoring; the loading of weights', async () => {
    const store = new ParameterStore();
    for (const name of ['a', 'b']) store.add(name, 'vector', [2], Float32Array.of(1, 2));
    const optimizer = new AdamW(store);
    const gradients = { a: tf.tensor1d([3, -1]), b: tf.tensor1d([4, 5]) };
    const all = () => structuredClone([...toStateDict(store), optimizer.state()]);
    const start = structuredClone(optimizer.state());
    let before = all();
    const unchanged = () => expect(all()).toEqual(before);
    await failingEverywhere(() => new AdamW(store).dispose(), unchanged);
    await failingEverywhere(() => optimizer.update(gradients, 0.1), unchanged);
    expect(all()).not.toEqual(before);
    before = all();
    await failingEverywhere(() => optimizer.restore(start), unchanged);
    expect(optimizer.state()).toEqual(start);
    before = all();
    const weights = toStateDict(store);
    for (const { data } of weights.values()) data.fill(7);
    await failingEverywhere(() => loadStateDict(store, weights), unchanged);
    expect(toStateDict(store)).toEqual(weights);
    tf.dispose(gradients);
    optimizer.dispose();
    store.dispose();
  });
  it.each(Object.entries(kinds))('the weights of a model: %s', async (_, kind) => {
    const config = configOf({ ...tiny, ...kind }, tokenizer.vocabSize);
    await failingEverywhere(() => createModel(config).dispose());
    const tooWide = { ...config, ffnDim: 2 ** 40 };
    const before = held();
    expect(() => createModel(tooWide)).toThrow();
    expect(held()).toEqual(before);
  });
  it('a sum of gradients, and gradients of which one is missing', async () => {
    const { model, trainer } = build();
    const sum = { a: tf.ones([2]) };
    const more = () => tf.tidy(() => ({ a: tf.ones([2]), b: tf.ones([2]) }));
    const add = () => addGradients(sum, more());
    await failingEverywhere(add, () => expect(Object.keys(sum)).toEqual(['a']));
    tf.dispose(sum);
    const [first] = model.parameters.all();
    const before = held();
    const lossOf = () => first.variable.square().sum() as tf.Scalar;
    expect(() => lossAndGradients(model.parameters, lossOf)).toThrow(/does not depend on/);
    expect(held()).toEqual(before);
    trainer.dispose();
    model.dispose();
  });
});
