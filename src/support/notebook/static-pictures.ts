/**
 * Still pictures for places without scripts, at twice the size of the page and with their caption
 * as alternative text: what a code host shows, and a page.
 *
 * A Plotly figure gets a JPEG, on white. Why not PNG or SVG: where an output holds a PNG,
 * JupyterLab's Plotly renderer shows that, and the live figure only after the cell has run again. A
 * drawing becomes a PNG without background, in place of its SVG and its steps: code hosts strip or
 * break SVG, and so does JupyterLab in a notebook that the reader has not run yet.
 *
 * A headless browser draws each of them once and returns the picture in the page's text. Only
 * whoever saves notebooks needs a browser; without one they are saved without pictures, and the
 * walkthrough says so.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type IndexedImage, indexedPng } from './indexed-png';
import type { Output } from './kernel-client';
import { textOf } from './notebook-file';
import { outputOf } from './run-command';

const PLOTLY = 'application/vnd.plotly.v1+json';
const SVG = 'image/svg+xml';
/** Of a figure, in pixels of the page. */
const WIDTH = 760;
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

/** Adds its picture to every figure and drawing. Returns what to tell, if anything. */
export function addPictures(outputs: Output[]): string | undefined {
  const figures = outputs.filter(({ data }) => data?.[PLOTLY] || data?.[SVG]);
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
    figures.map(({ data }) => data?.[PLOTLY] ?? data?.[SVG]),
  );
  if (pictures.length !== figures.length) {
    return `The browser drew ${pictures.length} of ${figures.length} figures; the ${saved}.`;
  }
  for (const [i, output] of figures.entries()) keep(output, pictures[i]);
  return undefined;
}

function keep(output: Output, { type, base64, width }: Still): void {
  const { [SVG]: svg, 'text/html': steps, ...data } = output.data ?? {};
  output.data = svg === undefined ? { ...output.data } : data;
  output.data[type] = base64;
  output.metadata = { ...output.metadata, [type]: { alt: textOf(output), width } };
}

interface Still {
  /** 'image/jpeg' or 'image/png'. */
  type: string;
  base64: string;
  /** In pixels of the page. */
  width: number;
}

/** The picture of each figure; fewer if the browser failed. */
function drawAll(browser: string, figures: unknown[]): Still[] {
  const folder = mkdtempSync(join(tmpdir(), 'cache-once-pictures-'));
  try {
    const page = join(folder, 'page.html');
    writeFileSync(page, pageOf(figures));
    const args = [...FLAGS, `--user-data-dir=${folder}`, `file://${page}`];
    const options = { encoding: 'utf8', maxBuffer: 2 ** 28, timeout: 120_000 } as const;
    const { stdout } = spawnSync(browser, args, options);
    const found = (stdout ?? '').matchAll(/<pre>([^<]+)<\/pre>/g);
    return [...found].map(([, json]) => fromPage(JSON.parse(json) as FromPage));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What the page prints: a JPEG, or the colours and rows of a PNG. */
type FromPage = Still | { width: number; indexed: Omit<IndexedImage, 'rows'> & { rows: string } };

function fromPage(printed: FromPage): Still {
  if (!('indexed' in printed)) return printed;
  const { width, indexed } = printed;
  const png = indexedPng({ ...indexed, rows: Buffer.from(indexed.rows, 'base64') });
  return { type: 'image/png', base64: png.toString('base64'), width };
}

function pageOf(figures: unknown[]): string {
  const plotly = createRequire(__filename).resolve('plotly.js-dist/plotly.js');
  const json = JSON.stringify(figures).replace(/</g, '\\u003c'); // no </script> inside
  return `<!doctype html><meta charset="utf-8"><script src="file://${plotly}"></script><body>
<script>
const dataUri = (svg) => 'data:image/svg+xml;charset=utf-8,' + encodeURIComponent(svg);

async function paint(uri, background) {
  const image = new Image();
  image.src = uri;
  await image.decode();
  const canvas = document.createElement('canvas');
  canvas.width = 2 * image.width;
  canvas.height = 2 * image.height;
  const context = canvas.getContext('2d');
  context.fillStyle = background;
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  return { canvas, context, width: image.width };
}

async function zlib(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream('deflate'));
  const reader = new FileReader();
  reader.readAsDataURL(await new Response(stream).blob());
  await new Promise((done) => { reader.onload = done; });
  return reader.result.split(',')[1];
}

/** Colours in steps of 5 and opacity in steps of 51; in larger steps if they are too many. */
async function indexed({ canvas, context, width }, step = 5) {
  const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
  const near = (value, step) => Math.min(255, Math.round(value / step) * step);
  const numbers = new Map();
  const rows = new Uint8Array((canvas.width + 1) * canvas.height); // each begins with a 0
  for (let y = 0; y < canvas.height; y++) {
    for (let x = 0; x < canvas.width; x++) {
      const at = 4 * (y * canvas.width + x);
      const alpha = near(data[at + 3], 51);
      const parts = [0, 1, 2].map((i) => (alpha ? near(data[at + i], step) : 0));
      const colour = [...parts, alpha].join();
      if (!numbers.has(colour)) numbers.set(colour, numbers.size);
      rows[y * (canvas.width + 1) + 1 + x] = numbers.get(colour);
    }
  }
  if (numbers.size > 256) return indexed({ canvas, context, width }, 2 * step);
  const palette = [...numbers.keys()].map((colour) => colour.split(',').map(Number));
  const size = { width: canvas.width, height: canvas.height };
  return { width, indexed: { ...size, palette, rows: await zlib(rows) } };
}

async function stillOf(figure) {
  if (typeof figure === 'string') return indexed(await paint(dataUri(figure), 'rgba(0,0,0,0)'));
  const { data, layout } = figure;
  const size = { width: ${WIDTH}, height: layout.height ?? 420 };
  const onWhite = { ...layout, font: { ...layout.font, color: '#444444' } };
  const svg = await Plotly.toImage({ data, layout: onWhite }, { format: 'svg', ...size });
  const { canvas, width } = await paint(svg, 'white');
  const type = 'image/jpeg';
  return { type, width, base64: canvas.toDataURL(type, 0.8).split(',')[1] };
}

(async () => {
  for (const figure of ${json}) {
    const pre = document.createElement('pre');
    pre.textContent = JSON.stringify(await stillOf(figure));
    document.body.append(pre);
  }
})();
</script>`;
}
