import * as tf from '@tensorflow/tfjs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { restoreRemovedUtil } from '../../../src/support/backends/engines/removed-util';
import { firstSentence, loadOptional } from '../../../src/support/backends/engines/started';
import {
  curedKernels,
  withStockKernels,
} from '../../../src/support/backends/patches/replace-kernel';
import { surveyEngines } from '../../../src/support/backends/probe';
import {
  describeEngine,
  type EngineName,
  engineNames,
  useEngine,
} from '../../../src/support/backends/use-engine';

const environment = process.env.CACHE_ONCE_ENGINE;
beforeEach(() => {
  delete process.env.CACHE_ONCE_ENGINE;
});
afterEach(() => {
  if (environment === undefined) delete process.env.CACHE_ONCE_ENGINE;
  else process.env.CACHE_ONCE_ENGINE = environment;
});

describe('useEngine', () => {
  it('takes the best that works, and says in a line each why not the better ones', async () => {
    const report = await useEngine();
    const better = engineNames.slice(0, engineNames.indexOf(report.name));
    expect(report.passedOver.map(({ name }) => name)).toEqual(better);
    for (const { why } of report.passedOver) expect(why).toMatch(/^[^\n]{10,240}$/);
    expect(describeEngine(report).split('\n')).toHaveLength(1 + better.length);
    expect(describeEngine(report)).toMatch(
      new RegExp(`^Engine: ${report.name} \\(.+, float32\\), TensorFlow.js 4\\.22`),
    );
  });
  it('obeys the environment, and the argument before it', async () => {
    process.env.CACHE_ONCE_ENGINE = 'cpu';
    expect(await useEngine()).toMatchObject({ name: 'cpu', passedOver: [] });
    expect(tf.getBackend()).toBe('cpu');
    expect((await useEngine('wasm')).name).toBe('wasm');
    expect(tf.getBackend()).toBe('wasm');
  });
  it('may be called again: kernels are replaced once, tensors move along', async () => {
    await useEngine('wasm');
    const cured = curedKernels('wasm');
    const x = tf.tensor1d([1, 2, 3]);
    await useEngine('cpu');
    expect(Array.from(x.add(1).dataSync())).toEqual([2, 3, 4]);
    await useEngine('wasm');
    expect(curedKernels('wasm')).toEqual(cured);
    expect(new Set(cured).size).toBe(cured.length);
    x.dispose();
  });
  it('refuses an unknown name with the names it knows', async () => {
    await expect(useEngine('cuda' as EngineName)).rejects.toThrow(
      "useEngine: the name is 'cuda'; allowed: gpu, native, webgpu, wasm, cpu, or nothing",
    );
    process.env.CACHE_ONCE_ENGINE = 'fast';
    await expect(useEngine()).rejects.toThrow("CACHE_ONCE_ENGINE is 'fast'; allowed:");
  });
  it('an engine asked for by name that does not work says why and what to do, and the old one stays', async () => {
    await useEngine('cpu');
    const findings = await useEngine().then(({ passedOver }) => passedOver);
    for (const { name } of findings)
      await expect(useEngine(name)).rejects.toThrow(
        new RegExp(`The ${name} engine was asked for.*(Run|needs|Install)`, 's'),
      );
    expect(['wasm', 'cpu', 'tensorflow', 'webgpu']).toContain(tf.getBackend());
  });
  it('the cpu engine prints no banner', async () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
    await useEngine('cpu');
    tf.tidy(() => tf.ones([2]).add(1).dataSync());
    expect(warn).not.toHaveBeenCalled();
    warn.mockRestore();
  });
  it('the stock kernels come back for a comparison, and go again, also when it fails', async () => {
    await useEngine('wasm');
    const ours = tf.getKernel('BatchMatMul', 'wasm').kernelFunc;
    expect(withStockKernels(() => tf.getKernel('BatchMatMul', 'wasm').kernelFunc)).not.toBe(ours);
    expect(() =>
      withStockKernels(() => {
        throw new Error('no');
      }),
    ).toThrow('no');
    expect(tf.getKernel('BatchMatMul', 'wasm').kernelFunc).toBe(ours);
  });
});

describe('what the starters share', () => {
  it('a package that is missing is named, with what to do', async () => {
    await expect(loadOptional('@cache-once/never-published', 'Do this.')).rejects.toThrow(
      '@cache-once/never-published is not installed. Do this.',
    );
  });
  it('a reason is one sentence of one line', () => {
    expect(firstSentence('\nThe addon (x.node) is missing. Run npm rebuild.\nStack')).toBe(
      'The addon (x.node) is missing.',
    );
    expect(firstSentence('no full stop\nmore')).toBe('no full stop');
  });
  it("Node's removed questions are put back where they are missing, and only there", async () => {
    const isArray = () => true;
    const util: Record<string, unknown> = { isArray };
    const added = await restoreRemovedUtil(util);
    expect(added).toContain('isNullOrUndefined');
    expect(added).not.toContain('isArray');
    expect(util.isArray).toBe(isArray);
    const ask = util.isNullOrUndefined as (x: unknown) => boolean;
    expect([null, undefined, 0, ''].map(ask)).toEqual([true, true, false, false]);
    expect(await restoreRemovedUtil(util)).toEqual([]);
  });
});

describe('surveyEngines', () => {
  it('tries every engine apart from this process: works, or why not and what to do', async () => {
    await useEngine('cpu');
    const findings = await surveyEngines();
    expect(findings.map(({ name }) => name)).toEqual([...engineNames]);
    expect(findings.filter(({ works }) => works).map(({ name }) => name)).toEqual(
      expect.arrayContaining(['wasm', 'cpu']),
    );
    for (const { works, detail } of findings)
      expect(detail).toMatch(works ? /float32/ : /Run|needs|Install|install/);
    expect(tf.getBackend()).toBe('cpu');
  });
});
