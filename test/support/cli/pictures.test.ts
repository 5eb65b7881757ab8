import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { pictures, picturesFolder } from '../../../src/support/cli/pictures';

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
