/** Modules that are kept for the next kernel: used while they are good, and only then. */
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type CellResult, KernelClient } from '../../../src/support/notebook/kernel-client';
import { kernelSpec, root } from '../../../src/support/notebook/python-environment';

const kept = join(root, '.cache', 'kernel-modules.json');
const folder = join(root, '.cache', `kernel-modules-test-${process.pid}`);
const file = (name: string): string => join(folder, `${name}.ts`);
const cell = `import { doubled } from './.cache/kernel-modules-test-${process.pid}/upper';
console.log(doubled);`;
beforeAll(() => mkdirSync(folder, { recursive: true }));
afterAll(() => rmSync(folder, { recursive: true }));

const textOf = ({ outputs }: CellResult): string => outputs.map(({ text }) => text).join('');
/** What a new kernel prints for a cell. */
async function inNewKernel(source: string): Promise<string> {
  const kernel = await KernelClient.start(kernelSpec().argv);
  try {
    const text = textOf(await kernel.execute(source, 300_000));
    await kernel.execute('1', 300_000).catch(() => undefined); // until the first has been kept
    return text;
  } finally {
    kernel.stop();
  }
}

it('a kept module runs as a new one; a changed one is checked with all that need it', {
  timeout: 600_000,
}, async () => {
  writeFileSync(file('lower'), 'export const value = 2;\n');
  writeFileSync(
    file('upper'),
    "import { value } from './lower';\nexport const doubled: number = 2 * value;\n",
  );
  expect(await inNewKernel(cell)).toBe('4\n');
  expect(existsSync(kept)).toBe(true);
  expect(await inNewKernel(cell)).toBe('4\n');

  writeFileSync(file('lower'), 'export const value = 3;\n');
  expect(await inNewKernel(cell)).toBe('6\n');
  expect(await inNewKernel(cell)).toBe('6\n');

  writeFileSync(file('lower'), "export const value = 'three';\n");
  expect(await inNewKernel(cell)).toMatch(/upper\.ts 2:\d+ - The right-hand side of an arithmetic/);
  expect(await inNewKernel(cell)).toMatch(/upper\.ts 2:\d+ - The right-hand side of an arithmetic/);
});
