/** One text over several devices: the logits of one device, and the bytes of the formula. */

import { spawnSync } from 'node:child_process';
import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { cacheBytes } from '../../src/costs/memory';
import {
  type Connections,
  connectDevices,
  unpack,
} from '../../src/inference/chunk-parallel/channels';
import { ChunkParallel } from '../../src/inference/chunk-parallel/chunk-parallel';
import { chunksOf, communicatedBytes } from '../../src/inference/chunk-parallel/communication';
import {
  ChunkDevice,
  type DeviceResult,
  resumeCache,
} from '../../src/inference/chunk-parallel/device';
import { transformerConfig, type YocoConfig, yocoConfig } from '../../src/models/config';
import { Transformer } from '../../src/models/transformer';
import { Yoco } from '../../src/models/yoco';
import { root } from '../../src/support/notebook/python-environment';
import { LoopedYoco } from '../../src/variants/looped-yoco';
import { toStateDict } from '../../src/weights/state-dict';
import { expectClose, leakedBy, useTestEngine } from '../helpers';

beforeAll(useTestEngine);
/** Devices receive the same float32 numbers; only sums are split elsewhere. Worst seen: 6e-7. */
const tolerance = { ofLargest: 8e-6, absolute: 1e-6 };
const shape = {
  vocabSize: 32,
  dim: 16,
  ffnDim: 24,
  heads: 2,
  kvHeads: 1,
  selfHeads: 2,
  selfLayers: 2,
  crossLayers: 2,
};
const kinds: Partial<YocoConfig>[] = [
  {},
  { selfDecoder: 'retention' },
  { selfDecoder: 'sliding-window', windowSize: 5 },
  { selfDecoder: 'sliding-window', windowSize: 1 },
];
const text = (batch: number, tokens: number): number[][] =>
  Array.from({ length: batch }, (_, b) =>
    Array.from({ length: tokens }, (_, i) => (i * 29 + b * 7 + (i >> 2)) % 32),
  );

const newDevice = (model: Yoco) => new ChunkDevice(model.config, toStateDict(model.parameters));
const newYoco = (config: Partial<YocoConfig> = {}, seed = 1) =>
  new Yoco(yocoConfig({ ...shape, ...config }), { seed });
const received = ({ received: { states, keysValues } }: Pick<DeviceResult, 'received'>) =>
  states + keysValues;

/** All devices in this thread, from left to right: every message is there before its receiver. */
function inTurn(model: Yoco, tokens: number[][], devices: number) {
  const connections = connectDevices(devices);
  const device = newDevice(model);
  const results: DeviceResult[] = [];
  for (const [i, { from, to }] of chunksOf(tokens[0].length, devices).entries()) {
    const task = { tokens: tokens.map((row) => row.slice(from, to)), from, started: 0 };
    results.push(device.run(task, connections[i]));
  }
  device.dispose();
  for (const { earlier } of connections) for (const { port } of earlier) port.close();
  const parts = results.map(({ logits }) => unpack<tf.Tensor3D>(logits)); // [B, n, vocab] each
  return { logits: tf.concat(parts, 1), results };
}

describe('chunk parallelism', () => {
  it('gives the logits of one device, for any kind, cut, batch and window', () => {
    const drawn = fc.record({
      kind: fc.constantFrom(...kinds),
      tokens: fc.integer({ min: 1, max: 40 }),
      devices: fc.integer({ min: 1, max: 6 }),
      batch: fc.integer({ min: 1, max: 2 }),
    });
    fc.assert(
      fc.property(drawn, ({ kind, tokens, devices, batch }) => {
        fc.pre(devices <= tokens);
        const model = newYoco(kind, tokens);
        tf.tidy(() => {
          const words = text(batch, tokens);
          const { logits, results } = inTurn(model, words, devices);
          expectClose(logits, model.forward(words), tolerance, `${devices} devices`);
          // Each device receives the cache of the text before its chunk.
          for (const [i, { from }] of chunksOf(tokens, devices).entries()) {
            const { total } = cacheBytes(model.config, { tokens: from, batch });
            expect(received(results[i])).toBe(i === 0 ? 0 : total);
          }
        });
        model.dispose();
      }),
      { numRuns: 40 },
    );
  });

  it('a model without a cross-decoder exchanges no keys and values', () => {
    const model = newYoco({ crossLayers: 0 });
    const { logits, results } = inTurn(model, text(1, 30), 3);
    expectClose(logits, model.forward(text(1, 30)), tolerance);
    expect(results.map((result) => result.received.keysValues)).toEqual([0, 0, 0]);
  });

  it('a device with the first quarter of a text needs less memory than one with all', () => {
    const model = newYoco();
    const [alone, quarter] = [1, 4].map(
      (devices) => inTurn(model, text(1, 400), devices).results[0].peakBytes,
    );
    expect(quarter / alone).toBeLessThan(0.4);
  });

  it.each(kinds)('leaves no tensor behind, also after an error: %j', (kind) => {
    const device = newDevice(newYoco(kind));
    const [first, second] = connectDevices(2);
    const run = (tokens: number[], from: number, connections: Connections) =>
      device.run({ tokens: [tokens], from, started: 0 }, connections);
    const work = () => {
      run([1, 2, 3], 0, first);
      run([1, 2, 3], 3, second);
      expect(() => run([1, 2, 99], 0, first)).toThrow('is 99, but the vocabulary has ids 0 to 31');
      return 0;
    };
    expect(leakedBy(work)).toBe(0);
    for (const { port } of first.later) port.close();
  });

  describe('negative controls', () => {
    const words = text(1, 24);
    const none: Connections = { earlier: [], later: [] };
    const run = (model: Yoco, half: number[], from: number, connections: Connections) => {
      const { logits } = newDevice(model).run({ tokens: [half], from, started: 0 }, connections);
      return unpack<tf.Tensor3D>(logits); // [1, 12, 32]
    };
    const expected = (model: Yoco) => model.forward(words).slice([0, 12, 0], [1, 12, 32]);

    it('a device that receives nothing is wrong', () => {
      const model = newYoco({}, 2);
      const got = run(model, words[0].slice(12), 12, none);
      expect(() => expectClose(got, expected(model), tolerance)).toThrow(/worst error/);
    });
    it.each([
      [12, false],
      [13, true],
    ])('a device that starts at position %i instead of 12: wrong is %s', (from, wrong) => {
      const model = newYoco({}, 2);
      const [left, right] = connectDevices(2);
      run(model, words[0].slice(0, 12), 0, left);
      const got = run(model, words[0].slice(12), from, right);
      const compare = () => expectClose(got, expected(model), tolerance);
      if (wrong) expect(compare).toThrow(/worst error/);
      else compare();
      for (const { port } of left.later) port.close();
    });
  });
});

describe('a layer cache that was received', () => {
  it('a window has its position and its bytes, and can be forked', () => {
    const cache = newYoco({ selfDecoder: 'sliding-window', windowSize: 5 }).newCache(1).layers[0];
    const numbers = Array.from({ length: 3 * 2 * 8 }, (_, i) => i);
    const k = tf.tensor4d(numbers, [1, 3, 2, 8]);
    resumeCache(cache, { k, v: k }, 1000);
    for (const each of [cache, cache.fork()]) {
      expect([each.length, each.lengths, each.bytes]).toEqual([1000, [1000], 2 * k.size * 4]);
      expectClose(each.snapshot().k, k);
    }
  });
  it('a cache that grows with the text is refused', () => {
    const { global } = newYoco().newCache(1);
    expect(() => resumeCache(global, {}, 3)).toThrow(
      'resumeCache: PagedKvCache is no state or window; gather it.',
    );
  });
});

describe('the formula', () => {
  const yoco = yocoConfig({ ...shape, selfLayers: 4, crossLayers: 4 });
  it('4 devices, 400 tokens, by hand', () => {
    // Chunks start at 100, 200, 300. K and V of one head of 8, float32: 64 bytes a token.
    // States: 4 layers · 2 heads · 8 · 8 · 4 bytes.
    expect(communicatedBytes(yoco, { tokens: 400, devices: 4 })).toEqual({
      states: 3 * 2048,
      keysValues: 600 * 64,
      total: 3 * 2048 + 600 * 64,
    });
  });
  it('a Transformer of L layers gathers L times as much, and sends no states', () => {
    const transformer = transformerConfig({
      vocabSize: 32,
      dim: 16,
      ffnDim: 24,
      heads: 2,
      kvHeads: 1,
      headDim: 8,
      layers: 8,
    });
    const windowed = { ...transformer, windowSize: 51 };
    const [ours, theirs, bounded] = [yoco, transformer, windowed].map((config) =>
      communicatedBytes(config, { tokens: 400, devices: 4 }),
    );
    expect(bounded).toMatchObject({ states: 3 * 8 * 50 * 64, keysValues: 0 });
    const keysValues = 8 * ours.keysValues;
    expect(theirs).toEqual({ states: 0, keysValues, total: keysValues });
  });
  it('one device receives nothing', () =>
    expect(communicatedBytes(yoco, { tokens: 400, devices: 1 }).total).toBe(0));
  it.each([
    [() => chunksOf(3, 4), 'chunksOf: 3 tokens for 4 devices; give each a token.'],
    [() => chunksOf(3, 0), 'chunksOf: devices is 0; give a whole number of devices, 1 or more.'],
  ])('%# refuses', (work, message) => expect(work).toThrow(message));
  it('chunks are consecutive and even', () => {
    expect(chunksOf(10, 4)).toEqual([
      { from: 0, to: 2 },
      { from: 2, to: 5 },
      { from: 5, to: 7 },
      { from: 7, to: 10 },
    ]);
  });
});

describe('worker threads', { timeout: 60_000 }, () => {
  it('give the logits of one device in each run, and receive the formula’s bytes', async () => {
    const model = newYoco({ selfDecoder: 'sliding-window', windowSize: 5 }, 3);
    const parallel = await ChunkParallel.start(model, { devices: 3 });
    for (const tokens of [17, 64]) {
      const { logits, reports } = await parallel.forward(text(2, tokens));
      expectClose(logits, model.forward(text(2, tokens)), tolerance, `${tokens} tokens`);
      const size = { tokens, devices: 3, batch: 2 };
      const [first, second, third] = reports.map(received);
      expect(first + second + third).toBe(communicatedBytes(model.config, size).total);
      // A layer begins only when the neighbour has computed it.
      const spanOf = (i: number, what: string) => {
        const found = reports[i].spans.find((span) => span.what === what);
        if (!found) throw new Error(`device ${i} has no span ${what}`);
        return found;
      };
      for (const layer of ['self.0', 'self.1']) {
        for (const i of [1, 2]) {
          expect(spanOf(i, layer).start).toBeGreaterThanOrEqual(spanOf(i - 1, layer).end);
        }
      }
      for (const { spans } of reports) {
        const computed = spans.map(({ what }) => what).filter((what) => what !== 'wait');
        expect(computed).toEqual(['self.0', 'self.1', 'cross']);
        expect(spans[0].start).toBeGreaterThanOrEqual(0);
        expect(spans[spans.length - 1].end).toBeLessThan(60_000);
      }
    }
    await expect(parallel.forward(text(1, 2))).rejects.toThrow('chunksOf: 2 tokens for 3 devices');
    await expect(parallel.forward([[1, 2, 3, 99]])).rejects.toThrow(
      'ChunkParallel.forward: token 3 of sequence 0 is 99; ids are whole numbers from 0 to 31',
    );

    const running = parallel.forward(text(1, 30));
    await expect(parallel.forward(text(1, 30))).rejects.toThrow(
      'a run is under way; await it first',
    );
    (await running).logits.dispose();
    await parallel.stop();
  });

  it('stop all if one fails, and say which and why', async () => {
    const model = newYoco({}, 3);
    const parallel = await ChunkParallel.start(model, { devices: 3 });
    // Without the check of the caller's thread, device 1 gets an id that its table does not have.
    Object.assign(parallel, { vocabSize: 100 });
    const wrong = text(1, 30);
    wrong[0][14] = 99;
    await expect(parallel.forward(wrong)).rejects.toThrow(
      'device 1 of 3, tokens 10 to 19: Embedding: token 4 of sequence 0 is 99, but the vocabulary',
    );
    await expect(parallel.forward(text(1, 30))).rejects.toThrow(
      'ChunkParallel.forward: the devices are stopped; start new ones',
    );
    await parallel.stop();
  });

  it('say why they cannot start', async () => {
    const model = newYoco();
    const engine = 'abacus' as 'cpu';
    await expect(ChunkParallel.start(model, { devices: 2, engine })).rejects.toThrow(
      /^device [01] of 2 did not start: useEngine: the name is 'abacus'/,
    );
    await expect(ChunkParallel.start(model, { devices: 0 })).rejects.toThrow(
      'ChunkParallel.start: devices is 0; give a whole number of devices',
    );
    const { vocabSize, dim, ffnDim, heads, kvHeads } = shape;
    const sizes = { vocabSize, dim, ffnDim, heads, kvHeads, headDim: 8, layers: 1 };
    const transformer = new Transformer(transformerConfig(sizes)) as unknown as Yoco;
    await expect(ChunkParallel.start(transformer)).rejects.toThrow(
      'the model is a Transformer; give a Yoco.',
    );
    // It has the weights of a Yoco, which would run as one loop.
    const looped = new LoopedYoco(model.config, { loops: 2 });
    await expect(ChunkParallel.start(looped)).rejects.toThrow('the model is a LoopedYoco');
  });

  it('end when they are stopped, and with a program that does not stop them', () => {
    const script = `
      const { useEngine } = require('./src/support/backends/use-engine');
      const { Yoco } = require('./src/models/yoco');
      const { yocoConfig } = require('./src/models/config');
      const { ChunkParallel } = require('./src/inference/chunk-parallel/chunk-parallel');
      (async () => {
        await useEngine('cpu');
        const model = new Yoco(yocoConfig(${JSON.stringify(shape)}));
        const stopped = await ChunkParallel.start(model, { devices: 1, engine: 'cpu' });
        await stopped.stop();
        const forgotten = await ChunkParallel.start(model, { devices: 2, engine: 'cpu' });
        const { logits } = await forgotten.forward([[1, 2, 3, 4]]);
        console.log('logits', logits.shape.join());
      })();`;
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      ['--require', 'tsx/cjs', '-e', script],
      {
        cwd: root,
        encoding: 'utf8',
        timeout: 50_000,
      },
    );
    expect([status, stdout.trim()], stderr).toEqual([0, 'logits 1,4,32']);
  });
});
