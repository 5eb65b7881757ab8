/**
 * Packages that only some readers want, in folders of their own: .cache/webgpu, .cache/native.
 *
 * They are large, or must be compiled, so they come by a command (`npm run setup:…`), and deleting the folder takes them
 * away again; package.json and the lock file never hear of them.
 *
 * What is installed there must share our TensorFlow.js: a second copy of @tensorflow/tfjs-core would keep its own table of
 * kernels and its own tensors, and the two would not know each other. So the copy is left out there, and Node, looking for
 * it in each folder above, finds the one in the book's own node_modules.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { firstSentence } from './engines/started';

/** The folder of package.json: above this file, or, in a notebook whose modules are compiled elsewhere, the working directory. */
export function rootFolder(): string {
  for (let folder = __dirname; folder !== dirname(folder); folder = dirname(folder))
    if (existsSync(join(folder, 'package.json'))) return folder;
  return process.cwd();
}
export const optInFolder = (name: 'webgpu' | 'native', root = rootFolder()): string =>
  join(root, '.cache', name);

/** npm, into one such folder: no lock, no peers, no scripts to approve. */
export const npmArguments = (
  folder: string,
  packages: readonly { name: string; version: string }[],
): string[] => [
  'install',
  ...['--prefix', folder],
  ...[
    '--no-save',
    '--no-package-lock',
    '--legacy-peer-deps',
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
  ],
  ...packages.map(({ name, version }) => `${name}@${version}`),
];

/**
 * Loads a file of an opt-in package, from its folder or else from the book's node_modules, by `require`: both Node and the
 * notebook kernel, which compiles to CommonJS, then get the same copy of everything.
 * @throws Error naming the package and what to do (`advice`), if it is missing or does not load.
 */
export function requireOptIn(
  request: string,
  {
    folder,
    advice,
    name = request,
    root = rootFolder(),
  }: { folder: 'webgpu' | 'native'; advice: string; name?: string; root?: string },
): unknown {
  const require = createRequire(join(root, 'package.json'));
  let path: string;
  try {
    // From its own folder outwards: what was set up here on request comes before what npm left in the book's node_modules.
    path = require.resolve(request, { paths: [optInFolder(folder, root)] });
  } catch {
    throw new Error(`${name} is not installed. ${advice}`);
  }
  try {
    return require(path);
  } catch (error) {
    throw new Error(
      `${name} is installed but does not load: ${firstSentence((error as Error).message)} ${advice}`,
      { cause: error },
    );
  }
}
