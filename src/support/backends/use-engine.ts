/**
 * Which engine computes: `await useEngine()` takes the best that works here, and says which, and why not the others.
 *
 * An engine is a program that TensorFlow.js hands its operations to. The formulas of this book do not change with it; speed
 * does. `gpu` and `native` are TensorFlow's own C++ (with and without CUDA), `webgpu` reaches any graphics card through
 * Dawn, `wasm` is compiled code inside Node, and `cpu` is plain JavaScript. The last two are always there.
 */
import * as tf from '@tensorflow/tfjs';
import { startCpu } from './engines/cpu';
import { startGpu, startNative } from './engines/native';
import { firstSentence, type Started } from './engines/started';
import { startWasm } from './engines/wasm';
import { startWebgpu } from './engines/webgpu';
import { installGradients } from './patches/gradients';

/** In order of preference. */
export const engineNames = ['gpu', 'native', 'webgpu', 'wasm', 'cpu'] as const;
export type EngineName = (typeof engineNames)[number];

export interface EngineReport {
  name: EngineName;
  /** What computes, as a reader would call it. */
  device: string;
  precision: string;
  /** The engines that were preferred to this one but do not work here, best first. */
  passedOver: { name: EngineName; why: string }[];
}

const starters: Record<EngineName, () => Promise<Started>> = {
  gpu: startGpu,
  native: startNative,
  webgpu: startWebgpu,
  wasm: startWasm,
  cpu: startCpu,
};

function asEngineName(given: string, whence: string): EngineName {
  if (!(engineNames as readonly string[]).includes(given))
    throw new RangeError(
      `useEngine: ${whence} is '${given}'; allowed: ${engineNames.join(', ')}, or nothing to take the best that works.`,
    );
  return given as EngineName;
}

/**
 * Takes an engine for everything that follows. Without `name`, the environment variable CACHE_ONCE_ENGINE decides, and
 * without that, the first of gpu, native, webgpu, wasm, cpu that works. May be called again, also for another engine:
 * tensors that exist move to it when they are next used.
 * @throws RangeError for an unknown name; Error if an engine that was asked for by name does not work, with why and what to do.
 */
export async function useEngine(name?: EngineName): Promise<EngineReport> {
  const asked = name ?? process.env.CACHE_ONCE_ENGINE;
  const only = asked ? asEngineName(asked, name ? 'the name' : 'CACHE_ONCE_ENGINE') : undefined;
  const passedOver: EngineReport['passedOver'] = [];
  for (const candidate of only ? [only] : engineNames) {
    try {
      const { device, precision } = await starters[candidate]();
      installGradients();
      return { name: candidate, device, precision, passedOver };
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      if (only)
        throw new Error(`The ${candidate} engine was asked for, but does not work here: ${why}`, {
          cause: error,
        });
      passedOver.push({ name: candidate, why: firstSentence(why) });
    }
  }
  throw new Error(
    `No engine works here: ${passedOver.map(({ name, why }) => `${name}: ${why}`).join(' ')} Run npm ci again.`,
  );
}

/** The report in words: one line for the engine taken, one for each passed over. */
export function describeEngine({ name, device, precision, passedOver }: EngineReport): string {
  const width = Math.max(...engineNames.map((n) => n.length));
  return [
    `Engine: ${name} (${device}, ${precision}), TensorFlow.js ${tf.version.tfjs}`,
    ...passedOver.map((other) => `  not ${other.name.padEnd(width)}  ${other.why}`),
  ].join('\n');
}
