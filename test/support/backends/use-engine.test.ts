import * as tf from '@tensorflow/tfjs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { firstSentence, loadOptional } from '../../../src/support/backends/engines/started';
import { restoreRemovedUtil } from '../../../src/support/backends/native/removed-util';
import {
  patchedKernels,
  withUpstreamKernels,
} from '../../../src/support/backends/patches/replace-kernel';
import { probeEngines } from '../../../src/support/backends/probe';
import {
  describeEngine,
  type EngineName,
  engineNames,
  useEngine,
} from '../../../src/support/backends/use-engine';
import { expectUpstreamFault } from './upstream';

const environment = process.env.CACHE_ONCE_ENGINE;
beforeEach(() => {
  delete process.env.CACHE_ONCE_ENGINE;
});
afterEach(() => {
  if (environment === undefined) delete process.env.CACHE_ONCE_ENGINE;
  else process.env.CACHE_ONCE_ENGINE = environment;
});

describe('useEngine', () => {
  it('takes the best that works, and says in one line each why others do not', async () => {
    const report = await useEngine();
    const better = engineNames.slice(0, engineNames.indexOf(report.name));
    expect(report.skipped.map(({ name }) => name)).toEqual(better);
    for (const { why } of report.skipped) expect(why).toMatch(/^[^\n]{10,240}$/);
    const lines = describeEngine(report).split('\n');
    expect(lines).toHaveLength(1 + better.length);
    const first = `^Engine: ${report.name} \\(.+, float32\\), TensorFlow.js 4\\.22`;
    expect(lines[0]).toMatch(new RegExp(first));
  });
  it('uses the environment variable, and before that its argument', async () => {
    process.env.CACHE_ONCE_ENGINE = 'cpu';
    expect(await useEngine()).toMatchObject({ name: 'cpu', skipped: [] });
    expect(tf.getBackend()).toBe('cpu');
    expect((await useEngine('wasm')).name).toBe('wasm');
    expect(tf.getBackend()).toBe('wasm');
  });
  it('may be called again: kernels are replaced once, tensors move along', async () => {
    await useEngine('wasm');
    const patched = patchedKernels('wasm');
    const x = tf.tensor1d([1, 2, 3]);
    await useEngine('cpu');
    const sum = tf.tidy(() => x.add(1).dataSync());
    expect(Array.from(sum)).toEqual([2, 3, 4]);
    await useEngine('wasm');
    expect(patchedKernels('wasm')).toEqual(patched);
    expect(new Set(patched).size).toBe(patched.length);
    x.dispose();
  });
  it('refuses an unknown name and lists the known ones', async () => {
    await expect(useEngine('cuda' as EngineName)).rejects.toThrow(
      "useEngine: the name is 'cuda'; allowed: gpu, native, webgpu, wasm, cpu, or nothing",
    );
    process.env.CACHE_ONCE_ENGINE = 'fast';
    await expect(useEngine()).rejects.toThrow("CACHE_ONCE_ENGINE is 'fast'; allowed:");
  });
  it('throws for a named engine that does not work; the engine before stays current', async () => {
    await useEngine('cpu');
    const { skipped } = await useEngine();
    for (const { name } of skipped) {
      const message = new RegExp(`The ${name} engine was asked for.*(Run|needs|Install)`, 's');
      await expect(useEngine(name)).rejects.toThrow(message);
    }
    expect(['wasm', 'cpu', 'tensorflow', 'webgpu']).toContain(tf.getBackend());
  });
  it('prints no banner on the cpu engine', async () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
    await useEngine('cpu');
    tf.tidy(() => tf.ones([2]).add(1).dataSync());
    expect(warn).not.toHaveBeenCalled();
    warn.mockRestore();
  });
});

describe('withUpstreamKernels', () => {
  it('removes our kernels during its work, and puts them back, also after an error', async () => {
    await useEngine('wasm');
    const current = () => tf.getKernel('BatchMatMul', 'wasm').kernelFunc;
    const ours = current();
    expect(withUpstreamKernels(current)).not.toBe(ours);
    expect(() =>
      withUpstreamKernels(() => {
        throw new Error('no');
      }),
    ).toThrow('no');
    expect(current()).toBe(ours);
  });
});

describe('expectUpstreamFault', () => {
  it('passes while upstream is wrong or throws, and fails once it is right', () => {
    expectUpstreamFault('a.ts', () => false);
    expectUpstreamFault('a.ts', () => {
      throw new Error('no');
    });
    expect(() => expectUpstreamFault('a.ts', () => true)).toThrow('drop the patch: a.ts');
  });
});

describe('what starting an engine needs', () => {
  it('names a package that is missing, and says what to do', async () => {
    await expect(loadOptional('@cache-once/never-published', 'Do this.')).rejects.toThrow(
      '@cache-once/never-published is not installed. Do this.',
    );
  });
  it('shortens a reason to one sentence on one line', () => {
    expect(firstSentence('\nThe addon (x.node) is missing. Run npm rebuild.\nStack')).toBe(
      'The addon (x.node) is missing.',
    );
    expect(firstSentence('no full stop\nmore')).toBe('no full stop');
  });
  it('puts back what Node removed from its module util, and only that', async () => {
    const isArray = () => true;
    const util: Record<string, unknown> = { isArray };
    const added = await restoreRemovedUtil(util);
    expect(added).toContain('isNullOrUndefined');
    expect(added).not.toContain('isArray');
    expect(util.isArray).toBe(isArray);
    const isNullOrUndefined = util.isNullOrUndefined as (x: unknown) => boolean;
    expect([null, undefined, 0, ''].map(isNullOrUndefined)).toEqual([true, true, false, false]);
    expect(await restoreRemovedUtil(util)).toEqual([]);
  });
});

describe('probeEngines', () => {
  it('tries every engine outside this process: it works, or why not and what to do', async () => {
    await useEngine('cpu');
    const findings = await probeEngines();
    expect(findings.map(({ name }) => name)).toEqual([...engineNames]);
    const working = findings.filter(({ works }) => works).map(({ name }) => name);
    expect(working).toEqual(expect.arrayContaining(['wasm', 'cpu']));
    for (const { works, detail } of findings)
      expect(detail).toMatch(works ? /float32/ : /Run|needs|Install|install/);
    expect(tf.getBackend()).toBe('cpu');
  });
});
