/**
 * Still pictures for places without scripts: a code host shows a notebook's JPEG where JupyterLab draws the live figure.
 *
 * Why not PNG or SVG: where an output holds a PNG, JupyterLab's Plotly renderer shows that and keeps the live figure asleep
 * until the cell runs again; and code hosts strip or break SVG. A JPEG is drawn everywhere and wakes nobody.
 *
 * A headless browser draws each Plotly figure once and hands the picture back in the page's text. Only whoever saves
 * notebooks needs a browser; without one they are saved without pictures, and we say so.
 */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Output } from './kernel-client';
import { outputOf } from './run-command';

const PLOTLY = 'application/vnd.plotly.v1+json';
const BROWSERS = ['chromium', 'chromium-browser', 'google-chrome', 'chrome'];

/** Adds `image/jpeg` to every figure among the outputs. Returns what the reader should know, if anything. */
export async function addPictures(outputs: Output[]): Promise<string | undefined> {
  const figures = outputs.filter(({ data }) => data?.[PLOTLY]);
  if (figures.length === 0) return undefined;
  const browser = [process.env.CACHE_ONCE_CHROMIUM, ...BROWSERS].find(
    (name) => name && outputOf(name, ['--version']),
  );
  if (!browser)
    return `${figures.length} figures saved without still pictures: no Chromium on the PATH (set CACHE_ONCE_CHROMIUM).`;
  const folder = mkdtempSync(join(tmpdir(), 'cache-once-pictures-'));
  try {
    const page = join(folder, 'page.html');
    writeFileSync(page, pageOf(figures.map(({ data }) => data![PLOTLY])));
    const flags = [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ];
    const { stdout } = spawnSync(
      browser,
      [
        ...flags,
        `--user-data-dir=${folder}`,
        '--allow-file-access-from-files',
        '--virtual-time-budget=20000',
        '--dump-dom',
        `file://${page}`,
      ],
      {
        encoding: 'utf8',
        maxBuffer: 2 ** 28,
        timeout: 120_000,
      },
    );
    const pictures = [
      ...(stdout ?? '').matchAll(/<pre>data:image\/jpeg;base64,([^<]+)<\/pre>/g),
    ].map((match) => match[1]);
    if (pictures.length !== figures.length)
      return `the browser drew ${pictures.length} of ${figures.length} figures; they are saved without still pictures.`;
    figures.forEach(({ data }, i) => {
      data!['image/jpeg'] = pictures[i];
    });
    return undefined;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function pageOf(figures: unknown[]): string {
  const plotly = createRequire(__filename).resolve('plotly.js-dist-min/plotly.min.js');
  return `<!doctype html><meta charset="utf-8"><script src="file://${plotly}"></script><body><script>
(async () => {
  for (const { data, layout } of ${JSON.stringify(figures).replace(/</g, '\\u003c')}) {
    const picture = await Plotly.toImage({ data, layout }, { format: 'jpeg', width: 760, height: layout.height ?? 420, scale: 1.5 });
    const pre = document.createElement('pre');
    pre.textContent = picture;
    document.body.append(pre);
  }
})();
</script>`;
}
