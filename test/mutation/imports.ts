/** Which test files import a source file, directly or through others. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import ts from 'typescript';

/** The TypeScript files below `folder`, relative to `root`, in order of name. */
export function filesBelow(root: string, folder: string): string[] {
  const found: string[] = [];
  for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) found.push(...filesBelow(root, path));
    else if (path.endsWith('.ts')) found.push(path);
  }
  return found.sort();
}

/** The files that `file` imports with a relative path. */
function importsOf(root: string, file: string): string[] {
  const { importedFiles } = ts.preProcessFile(readFileSync(join(root, file), 'utf8'));
  const found: string[] = [];
  for (const { fileName } of importedFiles) {
    if (!fileName.startsWith('.')) continue;
    const path = relative(root, join(root, dirname(file), fileName));
    const target = [`${path}.ts`, join(path, 'index.ts')].find((it) => existsSync(join(root, it)));
    if (target) found.push(target);
  }
  return found;
}

/** For each file that `test` reaches, how many imports away it is. */
function distancesFrom(root: string, test: string): Map<string, number> {
  const distances = new Map([[test, 0]]);
  for (const [file, distance] of distances) {
    for (const imported of importsOf(root, file)) {
      if (!distances.has(imported)) distances.set(imported, distance + 1); // visited later
    }
  }
  return distances;
}

/** Gives the tests that reach a source file, the closest first; its own folder is closer by two. */
export function testFinder(root: string, tests: readonly string[]) {
  const reached = tests.map((test) => ({ test, distances: distancesFrom(root, test) }));
  return (file: string): string[] => {
    const folder = dirname(file).replace(/^src/, 'test');
    const found: [number, string][] = [];
    for (const { test, distances } of reached) {
      const distance = distances.get(file);
      const bonus = dirname(test) === folder ? 2 : 0;
      if (distance !== undefined) found.push([distance - bonus, test]);
    }
    return found.sort(([a], [b]) => a - b).map(([, test]) => test);
  };
}
