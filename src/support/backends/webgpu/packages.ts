/** The two packages behind the `webgpu` engine. They are large (200 MB, for every system at once): see opt-in.ts. */
import { optInFolder, requireOptIn } from '../optional-packages';

/** Pinned: what this folder replaces inside the backend belongs to these versions. */
export const DAWN = { name: 'webgpu', version: '0.6.2' } as const;
export const BACKEND = { name: '@tensorflow/tfjs-backend-webgpu', version: '4.22.0' } as const;

export const webgpuFolder = (root?: string): string => optInFolder('webgpu', root);
export const setupAdvice = 'Run npm run setup:webgpu.';

/** @throws Error naming the package and what to do, if it is missing or does not load. */
export const requireOptional = (
  request: string,
  options: { root?: string; name?: string } = {},
): unknown => requireOptIn(request, { folder: 'webgpu', advice: setupAdvice, ...options });
