/**
 * The two packages behind the `webgpu` engine. They are large (200 MB, for all platforms at once):
 * see ../optional-packages.ts.
 */
import { optionalPackageFolder, requireOptionalPackage } from '../optional-packages';

/** Exact versions: what this folder replaces inside the backend belongs to them. */
export const DAWN = { name: 'webgpu', version: '0.6.2' } as const;
export const BACKEND = { name: '@tensorflow/tfjs-backend-webgpu', version: '4.22.0' } as const;

export const webgpuFolder = (root?: string): string => optionalPackageFolder('webgpu', root);
export const setupAdvice = 'Run npm run setup:webgpu.';

/** @throws Error naming the package and what to do, if it is missing or does not load. */
export const requireWebgpuPackage = (
  request: string,
  options: { root?: string; name?: string } = {},
): unknown =>
  requireOptionalPackage(request, { folder: 'webgpu', advice: setupAdvice, ...options });
