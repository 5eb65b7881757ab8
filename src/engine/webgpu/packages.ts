/**
 * The two packages behind the `webgpu` engine: where they are looked for, and how they are installed.
 *
 * They are large (200 MB, for every system at once) and few readers need them, so `npm run setup:webgpu` puts them into
 * .cache/webgpu, and deleting that folder takes them away again; package.json and the lock file never hear of them.
 *
 * The backend must share our TensorFlow.js: a second copy of @tensorflow/tfjs-core would keep its own table of kernels and
 * its own tensors, and the two would not know each other. npm is therefore told to leave the backend's peer out. From
 * .cache/webgpu/node_modules Node looks for it in each folder above, and finds the one in the book's own node_modules.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { firstSentence } from '../engines/started';

/** Pinned: what this folder replaces inside the backend belongs to these versions. */
export const DAWN = { name: 'webgpu', version: '0.6.2' } as const;
export const BACKEND = { name: '@tensorflow/tfjs-backend-webgpu', version: '4.22.0' } as const;

/** The folder of package.json: above this file, or, in a notebook whose modules are compiled elsewhere, the working directory. */
function rootFolder(): string {
  for (let folder = __dirname; folder !== dirname(folder); folder = dirname(folder)) if (existsSync(join(folder, 'package.json'))) return folder;
  return process.cwd();
}
export const webgpuFolder = (root = rootFolder()): string => join(root, '.cache', 'webgpu');

export const setupAdvice = 'Run npm run setup:webgpu.';

/** What `npm run setup:webgpu` asks of npm: no lock, no peers (see above), no scripts to approve. */
export const npmArguments = (folder: string): string[] => [
  'install',
  ...['--prefix', folder],
  ...['--no-save', '--no-package-lock', '--legacy-peer-deps', '--ignore-scripts', '--no-audit', '--no-fund'],
  `${DAWN.name}@${DAWN.version}`,
  `${BACKEND.name}@${BACKEND.version}`,
];

/**
 * Loads a file of one of the two packages, from the book's node_modules or from .cache/webgpu, by `require`: both Node and
 * the notebook kernel, which compiles to CommonJS, then get the same copy of everything.
 * @throws Error naming the package and what to do, if it is missing or does not load.
 */
export function requireOptional(request: string, { root = rootFolder(), name = request }: { root?: string; name?: string } = {}): unknown {
  const require = createRequire(join(root, 'package.json'));
  let path: string;
  try {
    path = require.resolve(request, { paths: [root, webgpuFolder(root)] });
  } catch {
    throw new Error(`${name} is not installed. ${setupAdvice}`);
  }
  try {
    return require(path);
  } catch (error) {
    throw new Error(`${name} is installed but does not load: ${firstSentence((error as Error).message)} ${setupAdvice}`, { cause: error });
  }
}
