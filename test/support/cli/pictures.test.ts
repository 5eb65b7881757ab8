import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { pictures, picturesFolder } from '../../../src/support/cli/pictures';
import { youAreHere } from '../../../src/support/figures/you-are-here';
import { readNotebook, sourceOf } from '../../../src/support/notebook/notebook-file';
import { root } from '../../../src/support/notebook/python-environment';

const drawn = pictures();

it('the pictures in docs/pictures are those that the code draws (else: npm run pictures)', () => {
  expect(readdirSync(picturesFolder).sort()).toEqual(Object.keys(drawn).sort());
  for (const [name, svg] of Object.entries(drawn)) {
    expect(readFileSync(join(picturesFolder, name), 'utf8'), name).toBe(svg);
  }
});
it('the memory of the small models is what lesson 0 measures: 1.50 MiB, 420 KiB, 3.66 times', () => {
  for (const text of ['1.50 MiB', '420 KiB', '3.66 ×']) {
    expect(drawn['memory.svg']).toContain(`>${text}</text>`);
  }
});

it('the first cell of each lesson ends with its strip, whose alternative text says the same', () => {
  const folder = join(root, 'notebooks');
  const lessons = readdirSync(folder).filter((name) => /^\d\d-.*\.ipynb$/.test(name));
  expect(lessons).toHaveLength(16);
  for (const name of lessons) {
    const number = name.slice(0, 2);
    const { caption } = youAreHere(Number(number));
    const strip = `![${caption}](../docs/pictures/here-${number}.svg)`;
    const first = sourceOf(readNotebook(join(folder, name)).cells[0]);
    expect(first.endsWith(`\n\n${strip}`), `${name}: ${strip}`).toBe(true);
  }
});
