/** One text over several devices: the logits of one device, and the bytes of the formula. */

import { spawnSync } from 'node:child_process';
import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { cacheBytes } from '../../src/costs/memory';
import { resume } from '../../src/inference/chunk-parallel/cache-transfer';
import { pack } from '../../src/inference/chunk-parallel/channels';
import { ChunkParallel, wiring } from '../../src/inference/chunk-parallel/chunk-parallel';
import { chunksOf, communicatedBytes } from '../../src/inference/chunk-parallel/communication';
import { ChunkDevice, type Done } from '../../src/inference/chunk-parallel/device';
import { transformerConfig, type YocoConfig, yocoConfig } from '../../src/models/config';
import { Transformer } from '../../src/models/transformer';
import { Yoco } from '../../src/models/yoco';
import { root } from '../../src/support/notebook/python-environment';
import { toStateDict } from '../../src/weights/state-dict';
import { expectClose, leakedBy, useTestEngine } from '../helpers';

beforeAll(useTestEngine);
/** Keys and states cross a border as the same float32 numbers; only sums are cut elsewhere. Worst yet seen: 6e-7 of the largest. */
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

/** All devices in this thread, from left to right: every letter lies there before it is waited for. */
function inTurn(
  model: Yoco,
  tokens: number[][],
  devices: number,
): { logits: tf.Tensor3D; done: Done[] } {
  const wires = wiring(devices);
  const device = new ChunkDevice(model.config, toStateDict(model.parameters));
  try {
    const done = chunksOf(tokens[0].length, devices).map(({ from, to }, i) =>
      device.run(
        {
          ids: Int32Array.from(tokens.flatMap((row) => row.slice(from, to))),
          batch: tokens.length,
          from,
        },
        wires[i],
      ),
    );
    const parts = done.map(({ logits }) =>
      tf.tensor3d(logits, [tokens.length, logits.length / tokens.length / 32, 32]),
    );
    return { logits: tf.tidy(() => tf.concat<tf.Tensor3D>(parts, 1).clone()), done };
  } finally {
    device.dispose();
    for (const { before, after } of wires)
      for (const { port } of [...before, ...after]) port.close();
  }
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
        const model = new Yoco(yocoConfig({ ...shape, ...kind }), { seed: tokens });
        tf.tidy(() => {
          const words = text(batch, tokens);
          const { logits, done } = inTurn(model, words, devices);
          expectClose(logits, model.logits(words), tolerance, `${devices} devices`);
          // What each was told is the cache of the text before it.
          chunksOf(tokens, devices).forEach(({ from }, i) => {
            const told = done[i].received.handedOn + done[i].received.gathered;
            expect(told).toBe(
              i === 0 ? 0 : cacheBytes(model.config, { tokens: from, batch }).total,
            );
          });
        });
        model.dispose();
      }),
      { numRuns: 40 },
    );
  });

  it('a model without a cross-decoder gathers nothing', () => {
    const model = new Yoco(yocoConfig({ ...shape, crossLayers: 0 }), { seed: 1 });
    const { logits, done } = inTurn(model, text(1, 30), 3);
    expectClose(logits, model.logits(text(1, 30)), tolerance);
    expect(done.map(({ received }) => received.gathered)).toEqual([0, 0, 0]);
  });

  it('a device with an early quarter of the text needs less room than one with all of it', () => {
    const model = new Yoco(yocoConfig(shape), { seed: 1 });
    const [alone, quarter] = [1, 4].map(
      (devices) => inTurn(model, text(1, 400), devices).done[0].peakBytes,
    );
    expect(quarter / alone).toBeLessThan(0.4);
  });

  it('leaves nothing behind but its result', () => {
    const model = new Yoco(yocoConfig({ ...shape, selfDecoder: 'sliding-window', windowSize: 4 }), {
      seed: 1,
    });
    const device = new ChunkDevice(model.config, toStateDict(model.parameters));
    const work = () => {
      device.run({ ids: Int32Array.of(1, 2, 3), batch: 1, from: 0 }, { before: [], after: [] });
      return 0;
    };
    expect(leakedBy(work)).toBe(0);
  });

  describe('can it fail?', () => {
    const model = () => new Yoco(yocoConfig(shape), { seed: 2 });
    const secondHalf = (
      yoco: Yoco,
      share: { from: number; wires: ReturnType<typeof wiring>[number] },
    ) => {
      const ids = Int32Array.from(text(1, 24)[0].slice(12));
      const { logits } = new ChunkDevice(yoco.config, toStateDict(yoco.parameters)).run(
        { ids, batch: 1, from: share.from },
        share.wires,
      );
      return tf.tensor3d(logits, [1, 12, 32]);
    };
    const wanted = (yoco: Yoco) => yoco.logits(text(1, 24)).slice([0, 12, 0], [1, 12, 32]);

    it('a device that was told nothing is wrong', () => {
      const yoco = model();
      const got = secondHalf(yoco, { from: 12, wires: { before: [], after: [] } });
      expect(() => expectClose(got, wanted(yoco), tolerance)).toThrow(/worst error/);
    });
    it.each([
      [12, false],
      [13, true],
    ])('told everything, a device that believes to stand at %i: wrong is %s', (from, wrong) => {
      const yoco = model();
      const [left, right] = wiring(2);
      const first = new ChunkDevice(yoco.config, toStateDict(yoco.parameters));
      first.run({ ids: Int32Array.from(text(1, 24)[0].slice(0, 12)), batch: 1, from: 0 }, left);
      const got = secondHalf(yoco, { from, wires: right });
      const compare = () => expectClose(got, wanted(yoco), tolerance);
      if (wrong) expect(compare).toThrow(/worst error/);
      else compare();
      for (const { port } of [...left.after, ...right.before]) port.close();
    });
  });
});

describe('what is handed on', () => {
  it('a window that arrived knows its place, its bytes, and can be forked', () => {
    const sender = new Yoco(yocoConfig({ ...shape, selfDecoder: 'sliding-window', windowSize: 5 }))
      .newCache(1)
      .parts.get('self.0')!;
    const k = tf.tensor4d(
      Array.from({ length: 3 * 2 * 8 }, (_, i) => i),
      [1, 3, 2, 8],
    );
    const ring = resume(sender, pack({ k, v: k }), 1000);
    const twin = ring.fork();
    for (const memory of [ring, twin]) {
      expect([memory.length, memory.lengths, memory.bytes]).toEqual([1000, [1000], 2 * k.size * 4]);
      expectClose(memory.read().k, k);
    }
  });
  it('a cache that grows is refused', () => {
    const growing = new Yoco(yocoConfig(shape)).newCache(1).parts.get('cross')!;
    expect(() => resume(growing, {}, 3)).toThrow(
      'resume: a GrowingCache grows with the text; hand on states and windows, gather keys and values.',
    );
  });
});

describe('the formula', () => {
  const yoco = yocoConfig({ ...shape, selfLayers: 4, crossLayers: 4 });
  it('4 devices, 400 tokens, by hand', () => {
    // Starts 100, 200, 300. K and V of one head of 8, float32: 64 bytes a token. States: 4 layers · 2 heads · 8 · 8 · 4 bytes.
    expect(communicatedBytes(yoco, { tokens: 400, devices: 4 })).toEqual({
      handedOn: 3 * 2048,
      gathered: 600 * 64,
      total: 3 * 2048 + 600 * 64,
    });
  });
  it('a Transformer of L layers gathers L times as much, and hands nothing on', () => {
    const transformer = transformerConfig({
      vocabSize: 32,
      dim: 16,
      ffnDim: 24,
      heads: 2,
      kvHeads: 1,
      headDim: 8,
      layers: 8,
    });
    const [ours, theirs] = [yoco, transformer].map((config) =>
      communicatedBytes(config, { tokens: 400, devices: 4 }),
    );
    expect(theirs).toEqual({ handedOn: 0, gathered: 8 * ours.gathered, total: 8 * ours.gathered });
  });
  it('one device tells nobody', () =>
    expect(communicatedBytes(yoco, { tokens: 400, devices: 1 }).total).toBe(0));
  it.each([
    [
      () => chunksOf(3, 4),
      'chunksOf: 3 tokens for 4 devices; each needs a token, so take 3 devices at most.',
    ],
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
  it('are equal to one device, run after run, in bytes the formula; an error comes back and ends them all', async () => {
    const model = new Yoco(yocoConfig({ ...shape, selfDecoder: 'sliding-window', windowSize: 5 }), {
      seed: 3,
    });
    const parallel = await ChunkParallel.start(model, { devices: 3 });
    for (const tokens of [17, 64]) {
      const { logits, reports } = await parallel.logits(text(2, tokens));
      expectClose(logits, model.logits(text(2, tokens)), tolerance, `${tokens} tokens`);
      const told = reports.reduce(
        (sum, { received }) => sum + received.handedOn + received.gathered,
        0,
      );
      expect(told).toBe(communicatedBytes(model.config, { tokens, devices: 3, batch: 2 }).total);
      // A layer begins only when the neighbour has done it.
      const at = (i: number, what: string) => reports[i].spans.find((span) => span.what === what)!;
      for (const layer of ['self.0', 'self.1'])
        for (const i of [1, 2])
          expect(at(i, layer).start).toBeGreaterThanOrEqual(at(i - 1, layer).end);
      for (const { spans } of reports)
        expect(spans.map(({ what }) => what).filter((what) => what !== 'wait')).toEqual([
          'self.0',
          'self.1',
          'cross',
        ]);
    }
    await expect(parallel.logits(text(1, 2))).rejects.toThrow('chunksOf: 2 tokens for 3 devices');

    const busy = parallel.logits(text(1, 30));
    await expect(parallel.logits(text(1, 30))).rejects.toThrow('a run is under way; await it');
    (await busy).logits.dispose();

    // Device 1 fails while device 2 sleeps beside its letter slot.
    const wrong = text(1, 30);
    wrong[0][14] = 99;
    await expect(parallel.logits(wrong)).rejects.toThrow(
      'device 1 of 3, tokens 10 to 19: Embedding: token 4 of sequence 0 is 99, but the vocabulary has ids 0 to 31.',
    );
    await expect(parallel.logits(text(1, 30))).rejects.toThrow(
      'the devices are stopped; start new ones',
    );
    await parallel.stop();
  });

  it('a device that cannot start says why', async () => {
    const model = new Yoco(yocoConfig(shape));
    const engine = 'abacus' as 'cpu';
    await expect(ChunkParallel.start(model, { devices: 2, engine })).rejects.toThrow(
      /^device [01] of 2 did not start: useEngine: the name is 'abacus'/,
    );
    await expect(ChunkParallel.start(model, { devices: 0 })).rejects.toThrow(
      'ChunkParallel.start: devices is 0; give a whole number of devices',
    );
    const transformer = new Transformer(
      transformerConfig({
        vocabSize: 8,
        dim: 8,
        ffnDim: 8,
        heads: 1,
        kvHeads: 1,
        headDim: 8,
        layers: 1,
      }),
    );
    await expect(ChunkParallel.start(transformer as unknown as Yoco)).rejects.toThrow(
      'the model is a transformer; only YOCO',
    );
  });

  it('end when they are told to, and a program that forgets it ends all the same', () => {
    const script = `
      const { useEngine } = require('./src/support/backends/use-engine');
      const { Yoco } = require('./src/models/yoco');
      const { yocoConfig } = require('./src/models/config');
      const { ChunkParallel } = require('./src/inference/chunk-parallel/chunk-parallel');
      (async () => {
        await useEngine('cpu');
        const model = new Yoco(yocoConfig(${JSON.stringify(shape)}));
        const told = await ChunkParallel.start(model, { devices: 1, engine: 'cpu' });
        await told.stop();
        const forgotten = await ChunkParallel.start(model, { devices: 2, engine: 'cpu' });
        const { logits } = await forgotten.logits([[1, 2, 3, 4]]);
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
