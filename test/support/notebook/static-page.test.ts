/** A notebook as a page: formulas without a script, links that are right, texts beside pictures. */
import { describe, expect, it } from 'vitest';
import { frontPage, mathConverter, notebooksBelow } from '../../../src/support/cli/html';
import { readNotebook, sourceOf } from '../../../src/support/notebook/notebook-file';
import {
  readyForPage,
  relinkFor,
  withLinks,
  withMathML,
  withoutScripts,
} from '../../../src/support/notebook/static-page';

const marked = (tex: string, display: boolean) => `<math>${display ? 'D' : 'I'} ${tex}</math>`;

describe('formulas', () => {
  it.each([
    ['a $x_1$ and $$y$$ b', 'a <math>I x&#95;1</math> and <math>D y</math> b'],
    ['over lines $$a\n+b$$', 'over lines <math>D a +b</math>'],
    ['code `$HOME and $x$` stays', 'code `$HOME and $x$` stays'],
    ['```sh\necho $A $B\n```', '```sh\necho $A $B\n```'],
    ['costs $5 and $6 today', 'costs $5 and $6 today'],
    ['an escaped \\$x$ sign', 'an escaped \\$x$ sign'],
  ])('%j', (markdown, want) => expect(withMathML(markdown, marked)).toBe(want));
  it('what the converter refuses is named', () => {
    const refusing = () => {
      throw new Error('Undefined control sequence');
    };
    expect(() => withMathML('$\\nonsense$', refusing)).toThrow(
      'the formula \\nonsense cannot be drawn: Undefined control sequence',
    );
  });
  it('every formula of every notebook can be drawn', () => {
    const toMathML = mathConverter();
    const home = `${__dirname}/../../../notebooks`;
    let formulas = 0;
    for (const page of notebooksBelow(home))
      for (const cell of readNotebook(`${home}/${page}`).cells)
        if (cell.cell_type === 'markdown')
          formulas += withMathML(sourceOf(cell), toMathML).split('<math').length - 1;
    expect(formulas).toBeGreaterThan(100);
    expect(() => withMathML('$\\frac{1$', toMathML)).toThrow(/cannot be drawn/);
  });
});

describe('links', () => {
  const pages = new Set(['04-retention.ipynb', 'exercises/04-retention.ipynb']);
  it('lead to the other page, or into the repository, from the place of the page', () => {
    const lesson = relinkFor('04-retention.ipynb', pages, '../..');
    expect(lesson('exercises/04-retention.ipynb')).toBe('exercises/04-retention.html');
    expect(lesson('../src/index.ts')).toBe('../../src/index.ts');
    const exercise = relinkFor('exercises/04-retention.ipynb', pages, 'https://example.org/book');
    expect(exercise('../04-retention.ipynb')).toBe('../04-retention.html');
    expect(exercise('../../docs/map.md')).toBe('https://example.org/book/docs/map.md');
  });
  it('anchors, addresses and code stay as they are', () => {
    const text = '[a](x.md#b) [c](https://x.y/z) [d](#e) `[f](g)`';
    expect(withLinks(text, (target) => `to/${target}`)).toBe(
      '[a](to/x.md#b) [c](https://x.y/z) [d](#e) `[f](g)`',
    );
  });
});

it('a picture has its caption as alt text, and the page no script', () => {
  const cell = {
    cell_type: 'code' as const,
    id: 'c',
    metadata: {},
    source: '',
    execution_count: 1,
  };
  const output = {
    output_type: 'display_data' as const,
    data: { 'image/jpeg': 'abc', 'text/plain': 'It falls.' },
    metadata: {},
  };
  const [ready] = readyForPage(
    { cells: [{ ...cell, outputs: [output] }], metadata: {}, nbformat: 4, nbformat_minor: 5 },
    marked,
    (t) => t,
  ).cells;
  expect(ready.outputs![0].metadata).toEqual({ 'image/jpeg': { alt: 'It falls.' } });
  const page = withoutScripts(
    '<head><script src="x">a</script></head><body>b<script>\nc</script></body>',
  );
  expect(page).not.toContain('script');
  expect(page).toContain('max-width: 100%');
});
it('the front page has a line per lesson, exercises and solutions beside it', () => {
  const page = frontPage(
    new Map([
      ['04-a.ipynb', 'A < B'],
      ['exercises/04-a.ipynb', 'E'],
    ]),
  );
  expect(page).toContain(
    '<li><a href="04-a.html">A &lt; B</a> · <a href="exercises/04-a.html">exercises</a></li>',
  );
  expect(page.match(/<li>/g)).toHaveLength(1);
});
