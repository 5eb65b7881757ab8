/** Installs packages that only some readers want, for `npm run setup:webgpu` and `setup:native`. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { npmArguments } from '../backends/optional-packages';
import { runNpm } from '../notebook/run-command';

/** @throws Error if npm fails; it has said why. */
export async function installPackages(
  folder: string,
  packages: readonly { name: string; version: string }[],
  npmOptions: string[] = [],
): Promise<void> {
  mkdirSync(folder, { recursive: true });
  // A manifest of its own: npm takes this folder for the project and leaves the book's alone.
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n');
  const code = await runNpm([...npmArguments(folder, packages), ...npmOptions]);
  if (code !== 0) {
    throw new Error(
      'npm could not install them. Its message is above; the engine wasm works without.',
    );
  }
}
