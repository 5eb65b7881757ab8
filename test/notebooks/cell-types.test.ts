/** The cells of all notebooks hold the types of src, checked as strictly as src itself. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import {
  type CellProblem,
  type CodeCells,
  checkCellTypes,
  problemText,
} from '../../src/support/notebook/cell-types';
import { codeOf, readNotebook } from '../../src/support/notebook/notebook-file';
import { root } from '../../src/support/notebook/python-environment';

const folders = [
  'notebooks',
  'notebooks/exercises',
  'notebooks/solutions',
  'notebooks/assignments',
  'notebooks/solutions/assignments',
];
const written: CodeCells[] = [];
for (const folder of folders) {
  for (const name of readdirSync(join(root, folder))) {
    if (!name.endsWith('.ipynb')) continue;
    const cells = codeOf(readNotebook(join(root, folder, name)));
    written.push({ notebook: `${folder}/${name}`, cells });
  }
}

/** Notebooks made for this test, with what must be said of them. */
const made: [CodeCells, string[]][] = [
  [
    {
      notebook: 'sound.ipynb',
      cells: [
        "import { modelColours, readableBytes } from './src/index';",
        'const size: number = await Promise.resolve(1536);',
        'const size: string = readableBytes(1536); // declared again\nconst again = { size };',
        'size.length + modelColours.yoco.length',
      ],
    },
    [],
  ],
  [
    {
      notebook: 'unknown-key.ipynb',
      cells: [
        "import { modelColours } from './src/index';",
        'const first = 1;\nconst colour = modelColours.yoko;',
      ],
    },
    ["unknown-key.ipynb, cell 2, line 2: Property 'yoko' does not exist on type"],
  ],
  [
    {
      notebook: 'strict.ipynb',
      cells: [
        'const found = [1, 2].find((n) => n > 1);\nfound.toFixed();',
        'function twice(n) { return 2 * n; }',
        'const hidden = found as any;',
      ],
    },
    [
      "strict.ipynb, cell 1, line 2: 'found' is possibly 'undefined'.",
      "strict.ipynb, cell 2, line 1: Parameter 'n' implicitly has an 'any' type.",
      "strict.ipynb, cell 3, line 1: 'any' switches the check off",
    ],
  ],
  [
    { notebook: 'order.ipynb', cells: ['console.log(later);', 'const later = 1;'] },
    ["order.ipynb, cell 1, line 1: Cannot find name 'later'."],
  ],
  [
    { notebook: 'syntax.ipynb', cells: ['const a = 1;', 'if (a) {\n  const b = ;\n}'] },
    ['syntax.ipynb, cell 2, line 2: Expression expected.'],
  ],
  [
    {
      notebook: 'shorthand.ipynb',
      cells: ['const q = 1;', 'const k = 2;\nconst both = { q, k };'],
    },
    ["shorthand.ipynb, cell 2, line 2: 'q' is from another cell: write { q: q } here."],
  ],
];

// One program for all: most of its time goes into the types of src and of TensorFlow.js.
const problems = checkCellTypes([...written, ...made.map(([notebook]) => notebook)]);
const saidOf = (name: string): string[] =>
  problems.filter(({ notebook }: CellProblem) => notebook === name).map(problemText);

it('all notebooks are checked', () => {
  expect(written.length).toBeGreaterThanOrEqual(48);
  expect(written.flatMap(({ cells }) => cells).length).toBeGreaterThan(450);
});
it.each(written)('$notebook', ({ notebook }) => {
  expect(saidOf(notebook)).toEqual([]);
});
it.each(made)('$notebook: what is wrong is named, and nothing else', ({ notebook }, expected) => {
  expect(saidOf(notebook)).toEqual(expected.map((text) => expect.stringContaining(text)));
});
