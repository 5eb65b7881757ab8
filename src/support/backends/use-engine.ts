/**
 * Which engine computes: `await useEngine()` takes the best that works here, and reports which
 * one it is and why the better ones were skipped.
 *
 * An engine is the program that TensorFlow.js hands its operations to. The formulas of this book
 * do not change with it; speed does. `gpu` and `native` are TensorFlow's own C++ (with and without
 * CUDA), `webgpu` reaches any graphics card through Dawn, `wasm` is compiled code inside Node, and
 * `cpu` is plain JavaScript. The last two always work.
 */
import * as tf from '@tensorflow/tfjs';
import { startCpu } from './engines/cpu';
import { startGpu, startNative } from './engines/native';
import { firstSentence, type StartedEngine } from './engines/started';
import { startWasm } from './engines/wasm';
import { startWebgpu } from './engines/webgpu';
import { installGradients } from './patches/gradients';

/** In order of preference. */
export const engineNames = ['gpu', 'native', 'webgpu', 'wasm', 'cpu'] as const;
export type EngineName = (typeof engineNames)[number];

export interface EngineReport {
  name: EngineName;
  /** The device that computes, for example "WebAssembly with SIMD, 1 thread". */
  device: string;
  precision: string;
  /** The engines that are preferred to this one but do not work here, best first. */
  skipped: { name: EngineName; why: string }[];
}

const starters: Record<EngineName, () => Promise<StartedEngine>> = {
  gpu: startGpu,
  native: startNative,
  webgpu: startWebgpu,
  wasm: startWasm,
  cpu: startCpu,
};

function asEngineName(given: string, source: string): EngineName {
  if (!(engineNames as readonly string[]).includes(given))
    throw new RangeError(
      `useEngine: ${source} is '${given}'; allowed: ${engineNames.join(', ')}, ` +
        'or nothing to take the best that works.',
    );
  return given as EngineName;
}

/**
 * Selects the engine for everything that follows. Without `name`, the environment variable
 * CACHE_ONCE_ENGINE decides, and without that, the first of gpu, native, webgpu, wasm, cpu that
 * works. May be called again, also for another engine: existing tensors move to it when they are
 * next used.
 * @throws RangeError for an unknown name; Error if an engine that was asked for by name does not
 * work, with the reason and what to do.
 */
export async function useEngine(name?: EngineName): Promise<EngineReport> {
  const asked = name ?? process.env.CACHE_ONCE_ENGINE;
  const only = asked ? asEngineName(asked, name ? 'the name' : 'CACHE_ONCE_ENGINE') : undefined;
  const candidates = only ? [only] : engineNames;
  const skipped: EngineReport['skipped'] = [];
  for (const candidate of candidates) {
    try {
      const { device, precision } = await starters[candidate]();
      installGradients();
      return { name: candidate, device, precision, skipped };
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      if (only)
        throw new Error(`The ${only} engine was asked for, but does not work here: ${why}`, {
          cause: error,
        });
      skipped.push({ name: candidate, why: firstSentence(why) });
    }
  }
  const reasons = skipped.map((engine) => `${engine.name}: ${engine.why}`).join(' ');
  throw new Error(`No engine works here: ${reasons} Run npm ci again.`);
}

/** The report as text: one line for the engine taken, one for each that was skipped. */
export function describeEngine({ name, device, precision, skipped }: EngineReport): string {
  const width = Math.max(...engineNames.map((engine) => engine.length));
  const lines = [`Engine: ${name} (${device}, ${precision}), TensorFlow.js ${tf.version.tfjs}`];
  for (const other of skipped) lines.push(`  not ${other.name.padEnd(width)}  ${other.why}`);
  return lines.join('\n');
}
