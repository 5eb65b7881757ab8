/**
 * Still pictures for places without scripts: a code host shows a notebook's JPEG where JupyterLab
 * draws the live figure.
 *
 * Why not PNG or SVG: where an output holds a PNG, JupyterLab's Plotly renderer shows that, and the
 * live figure only after the cell has run again; and code hosts strip or break SVG. A JPEG is drawn
 * everywhere and replaces nothing.
 *
 * A headless browser draws each Plotly figure once and returns the picture in the page's text. Only
 * whoever saves notebooks needs a browser; without one they are saved without pictures, and the
 * walkthrough says so.
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
const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--allow-file-access-from-files',
  '--virtual-time-budget=20000', // ms that a page may take
  '--dump-dom',
];

/** Adds `image/jpeg` to every figure among the outputs. Returns what to tell, if anything. */
export function addPictures(outputs: Output[]): string | undefined {
  const figures = outputs.flatMap(({ data }) => (data?.[PLOTLY] ? [data] : []));
  if (figures.length === 0) return undefined;
  const browser = [process.env.CACHE_ONCE_CHROMIUM, ...BROWSERS].find(
    (name) => name && outputOf(name, ['--version']),
  );
  const saved = 'figures are saved without still pictures';
  if (!browser) {
    return `${figures.length} ${saved}: no Chromium on the PATH (set CACHE_ONCE_CHROMIUM).`;
  }
  const pictures = drawAll(
    browser,
    figures.map((data) => data[PLOTLY]),
  );
  if (pictures.length !== figures.length) {
    return `The browser drew ${pictures.length} of ${figures.length} figures; the ${saved}.`;
  }
  for (const [i, data] of figures.entries()) data['image/jpeg'] = pictures[i];
  return undefined;
}

/** The JPEG of each figure in base64; fewer if the browser failed. */
function drawAll(browser: string, figures: unknown[]): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'cache-once-pictures-'));
  try {
    const page = join(folder, 'page.html');
    writeFileSync(page, pageOf(figures));
    const args = [...FLAGS, `--user-data-dir=${folder}`, `file://${page}`];
    const options = { encoding: 'utf8', maxBuffer: 2 ** 28, timeout: 120_000 } as const;
    const { stdout } = spawnSync(browser, args, options);
    const found = (stdout ?? '').matchAll(/<pre>data:image\/jpeg;base64,([^<]+)<\/pre>/g);
    return [...found].map((match) => match[1]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function pageOf(figures: unknown[]): string {
  const plotly = createRequire(__filename).resolve('plotly.js-dist/plotly.js');
  const json = JSON.stringify(figures).replace(/</g, '\\u003c'); // no </script> inside
  return `<!doctype html><meta charset="utf-8"><script src="file://${plotly}"></script><body>
<script>
(async () => {
  for (const { data, layout } of ${json}) {
    const size = { width: 760, height: layout.height ?? 420, scale: 1.5 };
    const picture = await Plotly.toImage({ data, layout }, { format: 'jpeg', ...size });
    const pre = document.createElement('pre');
    pre.textContent = picture;
    document.body.append(pre);
  }
})();
</script>`;
}
