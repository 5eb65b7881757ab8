/** ■ in a notebook: what runs ends, and what it worked on is whole. Windows has no SIGINT. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CellResult, KernelClient } from '../../../src/support/notebook/kernel-client';
import { kernelSpec } from '../../../src/support/notebook/python-environment';

let kernel: KernelClient;
const run = (code: string): Promise<CellResult> => kernel.execute(code, 100_000);
const textOf = ({ outputs }: CellResult): string => outputs.map(({ text }) => text).join('');
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
/** What the cell printed that was interrupted as soon as it had printed something. */
async function interrupted(code: string): Promise<string> {
  const cell = run(code);
  await kernel.printed();
  kernel.interrupt();
  const result = await cell;
  expect(result.status, textOf(result)).toBe('error');
  await pause(300); // tslab refuses what comes at once after a failed cell
  return textOf(result);
}
/** The number that a cell prints. */
const number = async (code: string): Promise<number> =>
  Number(textOf(await run(`console.log(${code});`)));

const setUp = `
import * as tf from '@tensorflow/tfjs';
import { useEngine } from './src/support/backends/use-engine';
import { createModel } from './src/models/presets';
import { generate } from './src/inference/generate';
import { textLosses } from './src/evaluation/perplexity';
import { configOf, recipe, trainerOptionsOf } from './src/training/recipe';
import { Trainer } from './src/training/trainer';
await useEngine('wasm');
const tiny = { ...recipe('small'), dim: 16, ffnDim: 32, layers: 2, heads: 2, kvHeads: 1 };
const made = { ...tiny, selfHeads: 2, context: 16, batch: 2, steps: 100_000 };
const model = createModel(configOf(made, 16), { seed: 1 });
const text = Int32Array.from({ length: 200 }, (_, i) => (i * i) % 16);
const trainer = new Trainer(model, text, trainerOptionsOf(made));
`;

describe.skipIf(process.platform === 'win32')('■ while a cell waits', { timeout: 200_000 }, () => {
  beforeAll(async () => {
    kernel = await KernelClient.start(kernelSpec().argv);
    const result = await run(setUp);
    expect(result.status, textOf(result)).toBe('ok');
  }, 200_000);
  afterAll(() => kernel.stop());

  const training =
    'await trainer.run({ onStep: ({ step }) => { if (step % 10 === 1) console.log(step); } });';
  it('training stops after the step, and goes on from there', async () => {
    const before = await number('trainer.step');
    expect(await interrupted(training)).toMatch(
      /Interrupted: Trainer: stopped after \d+ steps; run\(\) or takeStep\(\) goes on from there\.\n$/,
    );
    const stopped = await number('trainer.step');
    expect(stopped).toBeGreaterThan(before);
    await pause(500);
    expect(await number('trainer.step')).toBe(stopped);
    expect(await number('(await trainer.takeStep()).step')).toBe(stopped + 1);
  });
  it('the same cell run again, and again, is one loop, and holds no more tensors', async () => {
    await run('await trainer.takeStep();');
    const held = await number('tf.memory().numTensors');
    for (let i = 0; i < 3; i++) await interrupted(training);
    const stopped = await number('trainer.step');
    await pause(500);
    expect(await number('trainer.step')).toBe(stopped);
    expect(await number('trainer.optimizer.state().steps')).toBe(stopped);
    expect(await number('tf.memory().numTensors')).toBe(held);
  });
  it('a loop of the reader’s own over takeStep stops', async () => {
    const loop =
      "for (;;) { await trainer.takeStep(); if (trainer.step % 10 === 1) console.log('.'); }";
    expect(await interrupted(loop)).toMatch(/Interrupted: Trainer: stopped after/);
  });
  it('generate stops between two tokens, and frees its cache', async () => {
    const held = await number('tf.memory().numTensors');
    const options = "{ maxNewTokens: 100_000, onToken: () => console.log('.') }";
    expect(await interrupted(`await generate(model, [[1, 2]], ${options});`)).toMatch(
      /Interrupted: generate: stopped after \d+ of 100000 tokens\.\n$/,
    );
    expect(await number('tf.memory().numTensors')).toBe(held);
  });
  it('a measurement stops, too', async () => {
    const long = 'Int32Array.from({ length: 2e6 }, (_, i) => i % 16)';
    const options = '{ context: 16, batch: 1 }';
    const measure = `console.log('on'); await textLosses(model, ${long}, ${options});`;
    expect(await interrupted(measure)).toMatch(/Interrupted: textLosses: stopped after \d+ of/);
  });
  it('what does not listen is left after some seconds, at once at the second ■', async () => {
    const wait = "console.log('waiting'); await new Promise((go) => setTimeout(go, 1e6));";
    expect(await interrupted(wait)).toMatch(/Interrupted: the cell has ended; what it waited for/);
    const started = performance.now();
    const cell = run(wait);
    await kernel.printed();
    kernel.interrupt();
    await pause(50);
    kernel.interrupt();
    expect(textOf(await cell)).toMatch(/Interrupted: the cell has ended/);
    expect(performance.now() - started).toBeLessThan(2500);
    await pause(300);
  });
  it('while no cell runs, changes nothing for the next', async () => {
    kernel.interrupt();
    await pause(100);
    expect(await number('(await trainer.takeStep()).step')).toBeGreaterThan(0);
  });
  it('a cell that computes without a pause is cut, and TensorFlow.js is whole again', async () => {
    const held = await number('tf.memory().numTensors');
    const busy = 'tf.tidy(() => { for (;;) tf.ones([10]).add(1).dispose(); })';
    const cell = run(`process.stdout.write('on'); setTimeout(() => undefined); ${busy}`);
    await pause(1500);
    kernel.interrupt();
    expect(textOf(await cell)).toMatch(/Interrupted: the cell was stopped where it was\.\n$/);
    await pause(300);
    expect(await number('tf.engine().state.scopeStack.length')).toBe(0);
    expect((await number('tf.memory().numTensors')) - held).toBeLessThanOrEqual(1);
    expect(await number('(await trainer.takeStep()).step')).toBeGreaterThan(0);
  });
});
