/**
 * The cures of the webgpu engine, as far as no graphics card is needed: they are written in operations that every engine has.
 * On a card, or a program that plays one: npm run test:engines -- --engines webgpu.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { optInFolder, requireOptIn } from '../../../src/support/backends/optional-packages';
import type { Kernel } from '../../../src/support/backends/patches/replace-kernel';
import { useEngine } from '../../../src/support/backends/use-engine';
import { addInGroups } from '../../../src/support/backends/webgpu/add-n';
import type { WebgpuBackend } from '../../../src/support/backends/webgpu/backend';
import { doublingCumsum } from '../../../src/support/backends/webgpu/cumsum';
import {
  checkDevice,
  GraphicsCardError,
  watchDevice,
} from '../../../src/support/backends/webgpu/device-errors';
import { expectClose, leakedBy } from '../../helpers';

beforeAll(() => useEngine('cpu'));
const never: Kernel = () => {
  throw new Error('the stock kernel was asked');
};
const call = (kernel: Kernel, inputs: object, attrs: object = {}): tf.Tensor =>
  kernel({ inputs, attrs, backend: tf.backend() } as never) as tf.Tensor;

describe('running sums by doubling', () => {
  /** The definition, along the middle axis. */
  const byDefinition = (x: number[][][], exclusive: boolean, reverse: boolean): number[][][] =>
    x.map((rows) =>
      rows.map((row, n) =>
        row.map((_, j) =>
          rows.reduce(
            (sum, other, m) =>
              sum + ((reverse ? m > n : m < n) || (m === n && !exclusive) ? other[j] : 0),
            0,
          ),
        ),
      ),
    );
  it('are the definition, for any length, direction and sign of the axis', () => {
    const cases = fc.record({
      N: fc.integer({ min: 1, max: 20 }),
      exclusive: fc.boolean(),
      reverse: fc.boolean(),
      negative: fc.boolean(),
    });
    fc.assert(
      fc.property(cases, ({ N, exclusive, reverse, negative }) => {
        const x = tf.randomNormal<tf.Rank.R3>([2, N, 3], 0, 1, 'float32', N);
        const got = call(
          doublingCumsum(never),
          { x },
          { axis: negative ? -2 : 1, exclusive, reverse },
        );
        expectClose(got, byDefinition(x.arraySync(), exclusive, reverse), {
          ofLargest: 1e-6,
          absolute: 1e-6,
        });
        tf.dispose([x, got]);
      }),
    );
  });
  it('can it fail? the other direction is another sum', () => {
    const x = tf.tensor3d([1, 2, 3], [1, 3, 1]);
    const got = call(doublingCumsum(never), { x }, { axis: 1, exclusive: false, reverse: true });
    expect(() => expectClose(got, byDefinition(x.arraySync(), false, false))).toThrow(
      /worst error/,
    );
    tf.dispose([x, got]);
  });
});

describe('sums of many tensors', () => {
  it('never hand the card more than seven at once, and leave nothing behind', () => {
    const asked: number[] = [];
    const counting: Kernel = (given) => {
      const tensors = given.inputs as unknown as tf.Tensor[];
      asked.push(tensors.length);
      return tensors.slice(1).reduce((a, b) => a.add(b), tensors[0].clone());
    };
    const stock = tf.getKernel('AddN', 'cpu') as Parameters<typeof tf.registerKernel>[0];
    tf.unregisterKernel('AddN', 'cpu');
    tf.registerKernel({ ...stock, kernelFunc: addInGroups(counting) });
    try {
      for (const count of [1, 7, 8, 43, 50, 343]) {
        asked.length = 0;
        const tensors = Array.from({ length: count }, (_, i) => tf.tensor1d([i, 1]));
        expect(Array.from(tf.tidy(() => tf.addN(tensors).dataSync()))).toEqual([
          (count * (count - 1)) / 2,
          count,
        ]);
        expect(Math.max(...asked, 0)).toBeLessThanOrEqual(7);
        expect(leakedBy(() => tf.addN(tensors))).toBe(0);
        tf.dispose(tensors);
      }
    } finally {
      tf.unregisterKernel('AddN', 'cpu');
      tf.registerKernel(stock);
    }
  });
});

describe('a card that fails', () => {
  const fake = () => {
    let lose: (info: { message: string }) => void = () => undefined;
    let refuse: (event: { preventDefault(): void; error: { message: string } }) => void = () =>
      undefined;
    const lost = new Promise<{ message: string }>((resolve) => {
      lose = resolve;
    });
    const device = {
      lost,
      addEventListener: (_: string, listener: typeof refuse) => (refuse = listener),
    };
    const backend = { device } as unknown as WebgpuBackend;
    watchDevice(backend);
    return {
      backend,
      lose,
      refuse: (message: string) => refuse({ preventDefault: () => undefined, error: { message } }),
    };
  };
  it('lost: every later operation says so, and what to do', async () => {
    const { backend, lose } = fake();
    expect(() => checkDevice(backend)).not.toThrow();
    lose({ message: 'reset by its driver\nin a call of its own' });
    await Promise.resolve();
    for (let i = 0; i < 2; i++)
      expect(() => checkDevice(backend)).toThrow(
        /is lost \(reset by its driver\).*CACHE_ONCE_ENGINE=wasm/s,
      );
  });
  it('refusing a piece of work: told once, with the card’s own first line', () => {
    const { backend, refuse } = fake();
    refuse('Buffer is too large.\n at somewhere');
    expect(() => checkDevice(backend)).toThrow(GraphicsCardError);
    expect(() => checkDevice(backend)).not.toThrow();
  });
});

describe('packages that only some readers want', () => {
  it('are looked for in a folder of their own, and their absence says what to run', () => {
    expect(optInFolder('native', '/book')).toMatch(/book[\\/].cache[\\/]native$/);
    expect(() =>
      requireOptIn('no-such-package', { folder: 'native', advice: 'Run npm run setup:native.' }),
    ).toThrow('no-such-package is not installed. Run npm run setup:native.');
  });
  it('what was set up on request comes before what npm left beside it, which is taken where nothing else is', () => {
    const root = mkdtempSync(join(tmpdir(), 'cache-once-opt-in-'));
    const put = (folder: string, name: string, code: string) => {
      mkdirSync(join(root, folder, 'node_modules', name), { recursive: true });
      writeFileSync(join(root, folder, 'node_modules', name, 'index.js'), code);
    };
    put('.', 'both', 'throw new Error("the one that npm left is broken")');
    put('.cache/native', 'both', 'module.exports = "set up"');
    put('.', 'one', 'module.exports = "npm"');
    const load = (name: string) =>
      requireOptIn(name, { folder: 'native', advice: 'Advice.', root });
    expect(load('both')).toBe('set up');
    expect(load('one')).toBe('npm');
    rmSync(root, { recursive: true });
  });
});
