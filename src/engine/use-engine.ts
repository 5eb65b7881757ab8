/**
 * Which engine computes: the first that works, in the order gpu, native, webgpu, wasm, cpu.
 *
 * `gpu` and `native` are TensorFlow's C++ library with and without CUDA, `webgpu` any graphics card through Dawn, `wasm` the
 * one that ships inside its npm package and always works, `cpu` plain JavaScript, slow and simple. The numbers are the
 * same on all of them up to rounding. `CACHE_ONCE_ENGINE=wasm` or an argument asks for one.
 */
import * as tf from '@tensorflow/tfjs';
import { mendMatMulGradient } from './broadcast-gradient';
import { startTensorFlow } from './tensorflow-engine';
import { startWasm } from './wasm-engine';
import { startWebGPU } from './webgpu-engine';

export const ENGINES = ['gpu', 'native', 'webgpu', 'wasm', 'cpu'] as const;
export type EngineName = (typeof ENGINES)[number];

export interface EngineReport {
  name: EngineName;
  /** What it computes on, in words. */
  device: string;
  precision: string;
  /** The engines before it in the order, and in one line each why not. */
  passedOver: { name: EngineName; why: string }[];
}

/** Starts an engine and names its device. @throws Error with the reason and what to do. */
const starters: Record<EngineName, () => Promise<string>> = {
  gpu: () => startTensorFlow('gpu'),
  native: () => startTensorFlow('native'),
  webgpu: startWebGPU,
  wasm: async () => {
    await startWasm();
    return 'WebAssembly with SIMD, one thread';
  },
  cpu: async () => {
    await tf.setBackend('cpu');
    return 'plain JavaScript, one thread';
  },
};

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error)).split('\n')[0]!;
let inUse: EngineReport | undefined;

/**
 * Makes an engine the one that computes. Asked for by name or by CACHE_ONCE_ENGINE, it is that one or an error; otherwise
 * the first that works, and the one already in use if there is one.
 * @throws RangeError for a name that is none, Error if the engine asked for does not start.
 */
export async function useEngine(asked?: EngineName): Promise<EngineReport> {
  quietBanner();
  mendMatMulGradient();
  const wanted = asked ?? (process.env.CACHE_ONCE_ENGINE as EngineName | '' | undefined);
  if (wanted) {
    if (!ENGINES.includes(wanted)) throw new RangeError(`useEngine: there is no engine ${JSON.stringify(wanted)}; there are ${ENGINES.join(', ')}.`);
    if (inUse?.name === wanted) return inUse;
    try {
      const device = await starters[wanted]();
      return remember({ name: wanted, device, precision: 'float32', passedOver: [] });
    } catch (error) {
      throw new Error(`The engine ${wanted} was asked for and does not work here: ${reasonOf(error)} Leave CACHE_ONCE_ENGINE empty to take the best that does.`);
    }
  }
  if (inUse) return inUse;
  const passedOver: EngineReport['passedOver'] = [];
  for (const name of ENGINES) {
    try {
      return remember({ name, device: await starters[name](), precision: 'float32', passedOver });
    } catch (error) {
      passedOver.push({ name, why: reasonOf(error) });
    }
  }
  throw new Error(`No engine works here:\n${passedOver.map(({ name, why }) => `  ${name}: ${why}`).join('\n')}`);
}

async function remember(report: EngineReport): Promise<EngineReport> {
  await tf.ready();
  inUse = report;
  return report;
}

/** The report as a few lines of text. */
export function describe({ name, device, precision, passedOver }: EngineReport): string {
  return [`engine ${name}: ${device}, ${precision}`, ...passedOver.map((other) => `  not ${other.name}: ${other.why}`)].join('\n');
}

/** Tries every engine: works, or why not and what to do. The one in use before is in use afterwards. */
export async function surveyEngines(): Promise<{ name: EngineName; works: boolean; detail: string }[]> {
  const before = inUse?.name;
  const survey: { name: EngineName; works: boolean; detail: string }[] = [];
  for (const name of ENGINES) {
    try {
      survey.push({ name, works: true, detail: (await useEngine(name)).device });
    } catch (error) {
      survey.push({ name, works: false, detail: reasonOf(error) });
    }
  }
  await useEngine(before ?? survey.find(({ works }) => works)!.name);
  return survey;
}

/** Stock TensorFlow.js advertises its native package each time another engine runs in Node. */
function quietBanner(): void {
  tf.env().set('IS_TEST', true);
}
