/** A figure that is redrawn: in the kernel, on a console, and in what the walkthrough keeps. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { walk } from '../../../src/support/cli/walkthrough';
import type { Figure } from '../../../src/support/figures/figure';
import type { Cell } from '../../../src/support/notebook/notebook-file';
import type { Write } from '../../../src/support/notebook/show';
import { showLive } from '../../../src/support/notebook/show-live';

const folder = mkdtempSync(join(tmpdir(), 'live-'));
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => void vi.restoreAllMocks());
const figure = (caption: string): Figure => ({ data: [], layout: {}, caption });

/** A kernel that only listens; `blanks` are the empty outputs between two figures. */
function listener() {
  const heard: { id: unknown; caption: unknown; update: boolean }[] = [];
  const blanks: { id: unknown; html: unknown; before: number }[] = [];
  const write: Write = ({ data, transient }, update) => {
    const id = (transient as { display_id?: string }).display_id;
    const html = data['text/html'];
    if (html !== undefined) blanks.push({ id, html, before: heard.length });
    else heard.push({ id, caption: data['text/plain'], update });
  };
  return { write, heard, blanks };
}

describe('a live figure', () => {
  it('is displayed once and then redrawn under the same id; another has another id', () => {
    const { write, heard } = listener();
    const [one, two] = [showLive({ everyMs: 0, write }), showLive({ everyMs: 0, write })];
    one.draw(figure('a'));
    one.draw(figure('b'));
    two.draw(figure('c'));
    expect(heard.map(({ caption, update }) => [caption, update])).toEqual([
      ['a', false],
      ['b', true],
      ['c', false],
    ]);
    expect(heard[0].id).toBe(heard[1].id);
    expect(heard[2].id).not.toBe(heard[0].id);
  });
  it('between two figures is an empty space of the same height, never after the last', () => {
    const { write, heard, blanks } = listener();
    const live = showLive({ everyMs: 0, write });
    live.draw(figure('a'));
    live.draw({ ...figure('b'), layout: { height: 300 } });
    live.draw(figure('c'));
    live.end();
    const { id } = heard[0];
    expect(heard.length).toBe(3);
    expect(blanks).toEqual([
      { id, html: '<div style="height: 300px"></div>', before: 1 },
      { id, html: '<div style="height: 420px"></div>', before: 2 },
    ]);
  });
  it('a drawing is replaced as it is, without an empty space', () => {
    const { write, heard, blanks } = listener();
    const live = showLive({ everyMs: 0, write });
    live.draw({ svg: '<svg/>', caption: 'a' });
    live.draw({ svg: '<svg/>', caption: 'b' });
    expect(heard.map(({ caption }) => caption)).toEqual(['a', 'b']);
    expect(blanks).toEqual([]);
  });
  it('skips what comes too soon, but never the last', () => {
    const { write, heard } = listener();
    const live = showLive({ everyMs: 1e9, write });
    for (const caption of ['first', 'second', 'last']) live.draw(figure(caption));
    live.end();
    live.end();
    expect(heard.map(({ caption }) => caption)).toEqual(['first', 'last']);
  });
  it('that has shown its last picture says nothing more at the end, and takes no other', () => {
    const { write, heard } = listener();
    const live = showLive({ everyMs: 0, write });
    live.draw(figure('only'));
    live.end();
    expect(heard.length).toBe(1);
    expect(() => live.draw(figure('late'))).toThrow(
      /this figure has ended; draw before end\(\), or begin another/,
    );
  });
  it('outside a notebook prints its last caption, once; nothing if nothing was drawn', () => {
    const printed = vi.spyOn(console, 'log').mockImplementation(() => undefined);
    const live = showLive({ everyMs: 0 });
    for (const caption of ['first', 'second', 'last']) live.draw(figure(caption));
    expect(printed).not.toHaveBeenCalled();
    live.end();
    live.end();
    showLive().end();
    expect(printed.mock.calls).toEqual([['last']]);
  });
});

describe('the walkthrough', { timeout: 60_000 }, () => {
  const code = (source: string): Cell => ({
    cell_type: 'code',
    id: `cell-${source.length}`,
    metadata: {},
    source,
    outputs: [],
  });
  it('keeps the last state of what is redrawn, also from another cell', async () => {
    const path = join(folder, 'live.ipynb');
    const cells = [
      code(
        "import { showLive } from './src/support/notebook/show-live';\n" +
          "import { kernelWrite } from './src/support/notebook/show';",
      ),
      code(
        'const live = showLive({ everyMs: 0 });\n' +
          "for (const caption of ['one', 'two', 'three']) {\n" +
          '  live.draw({ data: [], layout: {}, caption });\n' +
          '  await new Promise((r) => setTimeout(r, 5));\n}',
      ),
      code(
        "live.draw({ data: [], layout: {}, caption: 'four' });\nlive.end();\nconsole.log('after');",
      ),
      code(
        "const ghost = { 'text/plain': 'never drawn' };\n" +
          "const transient = { display_id: 'unknown' };\n" +
          'kernelWrite()!({ data: ghost, metadata: {}, transient: transient }, true);',
      ),
    ];
    writeFileSync(path, JSON.stringify({ cells, metadata: {}, nbformat: 4, nbformat_minor: 5 }));
    const { fresh } = await walk(path, 60_000, () => undefined);
    const kept = [...fresh.values()].map((outputs) =>
      outputs.map(({ text, data }) => text ?? data?.['text/plain']),
    );
    expect(kept).toEqual([[], ['four'], ['after\n'], []]);
  });
});
