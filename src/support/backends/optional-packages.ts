/**
 * Packages that only some readers want, in folders of their own: .cache/webgpu, .cache/native.
 *
 * They are large, or must be compiled, so a command installs them (`npm run setup:…`), and
 * deleting the folder removes them; package.json and the lock file do not name them.
 *
 * What is installed there must share our TensorFlow.js: a second copy of @tensorflow/tfjs-core
 * would keep its own table of kernels and its own tensors, and the two could not exchange them. So
 * that copy is left out, and Node, which searches each folder above, finds the one in the book's
 * own node_modules.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { firstSentence } from './engines/started';

type PackageFolder = 'webgpu' | 'native';

/**
 * The folder of package.json: above this file, or, in a notebook whose modules are compiled
 * elsewhere, the working directory.
 */
export function rootFolder(): string {
  for (let folder = __dirname; folder !== dirname(folder); folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json'))) return folder;
  }
  return process.cwd();
}

export const optionalPackageFolder = (name: PackageFolder, root = rootFolder()): string =>
  join(root, '.cache', name);

/** npm's arguments to install into such a folder: no lock file, no peers, no install scripts. */
export const npmArguments = (
  folder: string,
  packages: readonly { name: string; version: string }[],
): string[] => [
  'install',
  '--prefix',
  folder,
  '--no-save',
  '--no-package-lock',
  '--legacy-peer-deps',
  '--ignore-scripts',
  '--no-audit',
  '--no-fund',
  ...packages.map(({ name, version }) => `${name}@${version}`),
];

/**
 * Loads a file of an optional package, from its folder or else from the book's node_modules. By
 * `require`, because the notebook kernel compiles to CommonJS: so Node and the kernel get the same
 * copy of everything.
 * @throws Error naming the package and what to do (`advice`), if it is missing or does not load.
 */
export function requireOptionalPackage(
  request: string,
  {
    folder,
    advice,
    name = request,
    root = rootFolder(),
  }: { folder: PackageFolder; advice: string; name?: string; root?: string },
): unknown {
  const require = createRequire(join(root, 'package.json'));
  let path: string;
  try {
    // Its own folder is searched first: what a setup command installed there comes before what
    // npm left in the book's node_modules.
    path = require.resolve(request, { paths: [optionalPackageFolder(folder, root)] });
  } catch {
    throw new Error(`${name} is not installed. ${advice}`);
  }
  try {
    return require(path);
  } catch (error) {
    const reason = firstSentence((error as Error).message);
    throw new Error(`${name} is installed but does not load: ${reason} ${advice}`, {
      cause: error,
    });
  }
}
