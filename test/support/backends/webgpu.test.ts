/**
 * The patches of the webgpu engine, as far as they need no graphics card: they are written in
 * operations that every engine has. On a card, or a program that emulates one, run
 * npm run test:engines -- --engines webgpu.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  optionalPackageFolder,
  requireOptionalPackage,
} from '../../../src/support/backends/optional-packages';
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
const neverCalled: Kernel = () => {
  throw new Error("upstream's kernel was called");
};
const call = (kernel: Kernel, inputs: object, attrs: object = {}): tf.Tensor =>
  kernel({ inputs, attrs, backend: tf.backend() } as never) as tf.Tensor;

describe('cumulative sums by doubling', () => {
  /** The definition, along the middle axis of x [outer][N][inner]. */
  function byDefinition(x: number[][][], exclusive: boolean, reverse: boolean): number[][][] {
    const sums = structuredClone(x);
    for (const [i, rows] of x.entries()) {
      for (let n = 0; n < rows.length; n++) {
        for (let j = 0; j < rows[n].length; j++) {
          let sum = 0;
          for (let m = 0; m < rows.length; m++) {
            const counts = m === n ? !exclusive : reverse ? m > n : m < n;
            if (counts) sum += rows[m][j];
          }
          sums[i][n][j] = sum;
        }
      }
    }
    return sums;
  }
  it('equal the definition, for any length, direction and sign of the axis', () => {
    const cases = fc.record({
      N: fc.integer({ min: 1, max: 20 }),
      exclusive: fc.boolean(),
      reverse: fc.boolean(),
      axis: fc.constantFrom(1, -2),
    });
    fc.assert(
      fc.property(cases, ({ N, exclusive, reverse, axis }) => {
        const x = tf.randomNormal<tf.Rank.R3>([2, N, 3], 0, 1, 'float32', N);
        const got = call(doublingCumsum(neverCalled), { x }, { axis, exclusive, reverse });
        const want = byDefinition(x.arraySync(), exclusive, reverse);
        expectClose(got, want, { ofLargest: 1e-6, absolute: 1e-6 });
        tf.dispose([x, got]);
      }),
    );
  });
  it('negative control: the sums in the other direction are not accepted', () => {
    const x = tf.tensor3d([1, 2, 3], [1, 3, 1]);
    const attrs = { axis: 1, exclusive: false, reverse: true };
    const got = call(doublingCumsum(neverCalled), { x }, attrs);
    const forward = byDefinition(x.arraySync(), false, false);
    expect(() => expectClose(got, forward)).toThrow(/worst error/);
    tf.dispose([x, got]);
  });
});

describe('sums of many tensors', () => {
  it('give the card at most seven at once, and leave no tensor behind', () => {
    const sizes: number[] = [];
    const counting: Kernel = ({ inputs }) => {
      const tensors = inputs as unknown as tf.Tensor[];
      sizes.push(tensors.length);
      let sum = tensors[0].clone();
      for (const tensor of tensors.slice(1)) sum = sum.add(tensor);
      return sum;
    };
    const upstream = tf.getKernel('AddN', 'cpu') as Parameters<typeof tf.registerKernel>[0];
    tf.unregisterKernel('AddN', 'cpu');
    tf.registerKernel({ ...upstream, kernelFunc: addInGroups(counting) });
    try {
      for (const count of [1, 7, 8, 43, 50, 343]) {
        sizes.length = 0;
        const tensors = Array.from({ length: count }, (_, i) => tf.tensor1d([i, 1]));
        const sum = tf.tidy(() => tf.addN(tensors).dataSync());
        expect(Array.from(sum)).toEqual([(count * (count - 1)) / 2, count]);
        expect(Math.max(0, ...sizes)).toBeLessThanOrEqual(7);
        expect(leakedBy(() => tf.addN(tensors))).toBe(0);
        tf.dispose(tensors);
      }
    } finally {
      tf.unregisterKernel('AddN', 'cpu');
      tf.registerKernel(upstream);
    }
  });
});

describe('a card that fails', () => {
  type Refusal = { preventDefault(): void; error: { message: string } };

  /** A backend whose device is lost, or refuses an operation, when we say so. */
  function fakeBackend() {
    let lose: (info: { message: string }) => void = () => undefined;
    let listener: (event: Refusal) => void = () => undefined;
    const device = {
      lost: new Promise<{ message: string }>((resolve) => {
        lose = resolve;
      }),
      addEventListener: (_: string, given: typeof listener) => {
        listener = given;
      },
    };
    const backend = { device } as unknown as WebgpuBackend;
    watchDevice(backend);
    const refuse = (message: string) =>
      listener({ preventDefault: () => undefined, error: { message } });
    return { backend, lose, refuse };
  }
  it('once lost, every later operation throws and says what to do', async () => {
    const { backend, lose } = fakeBackend();
    expect(() => checkDevice(backend)).not.toThrow();
    lose({ message: 'reset by its driver\nin a call of its own' });
    await Promise.resolve();
    const message = /is lost \(reset by its driver\).*CACHE_ONCE_ENGINE=wasm/s;
    expect(() => checkDevice(backend)).toThrow(message);
    expect(() => checkDevice(backend)).toThrow(message);
  });
  it("a refused operation throws once, with the first line of the card's own message", () => {
    const { backend, refuse } = fakeBackend();
    refuse('Buffer is too large.\n at somewhere');
    let thrown: unknown;
    try {
      checkDevice(backend);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(GraphicsCardError);
    expect((thrown as Error).message).toContain('refused an operation: Buffer is too large. Num');
    expect(() => checkDevice(backend)).not.toThrow();
  });
});

describe('optional packages', () => {
  it('have a folder of their own, and an error that says what to run if they are missing', () => {
    expect(optionalPackageFolder('native', '/book')).toMatch(/book[\\/].cache[\\/]native$/);
    const options = { folder: 'native', advice: 'Run npm run setup:native.' } as const;
    expect(() => requireOptionalPackage('no-such-package', options)).toThrow(
      'no-such-package is not installed. Run npm run setup:native.',
    );
  });
  it("are searched in that folder first, then in the book's node_modules", () => {
    const root = mkdtempSync(join(tmpdir(), 'cache-once-optional-'));
    const install = (folder: string, name: string, code: string) => {
      mkdirSync(join(root, folder, 'node_modules', name), { recursive: true });
      writeFileSync(join(root, folder, 'node_modules', name, 'index.js'), code);
    };
    install('.', 'both', 'throw new Error("the one that npm installed is broken")');
    install('.cache/native', 'both', 'module.exports = "set up"');
    install('.', 'one', 'module.exports = "npm"');
    const load = (name: string) =>
      requireOptionalPackage(name, { folder: 'native', advice: 'Advice.', root });
    expect(load('both')).toBe('set up');
    expect(load('one')).toBe('npm');
    rmSync(root, { recursive: true });
  });
});
