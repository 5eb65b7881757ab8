/**
 * Where `native` and `gpu` come from when the package's own download does not work.
 *
 * `@tensorflow/tfjs-node-gpu` 4.22 is an addon, 2,000 lines of C++ compiled against TensorFlow's C
 * interface, and a library to go with it. Its installer fetches the library of 2.9.1, built for
 * CUDA 11.2 and cuDNN 8.1: no current machine has those, and it supports no card younger than 2022.
 * But the C interface has stayed the same since then, and the library itself is part of every
 * `tensorflow` wheel of the Python registry. So `npm run setup:native` takes the package without
 * its scripts, the library out of a current wheel, and compiles the addon against it.
 */
import { optionalPackageFolder, requireOptionalPackage } from '../optional-packages';

export const ADDON = { name: '@tensorflow/tfjs-node-gpu', version: '4.22.0' } as const;
/** Node's C headers for addons, as a package, so that nothing else need be found or fetched. */
export const HEADERS = { name: 'node-api-headers', version: '1.9.0' } as const;
/** The newest wheel; its C interface still has all that the addon needs. */
export const TENSORFLOW = '2.21.0';

export const nativeFolder = (root?: string): string => optionalPackageFolder('native', root);
export const nativeAdvice =
  'Run npm run setup:native (with a graphics card: npm run setup:native -- --gpu).';

/**
 * What TensorFlow reads from the environment when it loads. A value that is already set stays.
 *
 * - TF_CPP_MIN_LOG_LEVEL: no announcements on the console.
 * - TF_ENABLE_ONEDNN_OPTS: one implementation of products for all sizes. Intel's library rounds
 *   differently, and announces itself at each start.
 * - TF_FORCE_GPU_ALLOW_GROWTH: allocate graphics memory as it is needed, not all of it at once.
 * - NVIDIA_TF32_OVERRIDE: cards since 2020 round the factors of a product to 10 bits by default;
 *   equivalences to 4e-6 need all 23.
 */
export const tensorflowEnvironment = {
  TF_CPP_MIN_LOG_LEVEL: '2',
  TF_ENABLE_ONEDNN_OPTS: '0',
  TF_FORCE_GPU_ALLOW_GROWTH: 'true',
  NVIDIA_TF32_OVERRIDE: '0',
} as const;

export function prepareEnvironment(env: NodeJS.ProcessEnv = process.env): void {
  for (const [name, value] of Object.entries(tensorflowEnvironment)) env[name] ??= value;
}

/** Loads the addon that was compiled here. @throws Error naming it and what to do. */
export const requireCompiled = (root?: string): unknown =>
  requireOptionalPackage(ADDON.name, { folder: 'native', advice: nativeAdvice, root });
