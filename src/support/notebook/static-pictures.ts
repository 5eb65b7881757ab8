/**
 * Still pictures for places without scripts, at twice the size of the page and with their caption
 * as alternative text: what a code host shows, and a page.
 *
 * A Plotly figure gets a JPEG, on white. Why not PNG or SVG: where an output holds a PNG,
 * JupyterLab's Plotly renderer shows that, and the live figure only after the cell has run again. A
 * drawing becomes a PNG without background, in place of its SVG and its steps: code hosts strip or
 * break SVG, and so does JupyterLab in a notebook that the reader has not run yet.
 *
 * A headless browser draws each of them once. Only whoever saves notebooks needs a browser; without
 * one they are saved without pictures, and the walkthrough says so.
 */
import { createRequire } from 'node:module';
import type { Browser } from 'playwright-core';
import { launchBrowser } from './browser';
import { type IndexedImage, indexedPng } from './indexed-png';
import type { Output } from './kernel-client';
import { textOf } from './notebook-file';

const PLOTLY = 'application/vnd.plotly.v1+json';
const SVG = 'image/svg+xml';
/** Of a figure, in pixels of the page. */
const WIDTH = 760;

/** Adds its picture to every figure and drawing. Returns what to tell, if anything. */
export async function addPictures(outputs: Output[]): Promise<string | undefined> {
  const figures = outputs.filter(({ data }) => data?.[PLOTLY] || data?.[SVG]);
  if (figures.length === 0) return undefined;
  const browser = await launchBrowser();
  if (!browser) {
    const saved = 'figures are saved without still pictures';
    return `${figures.length} ${saved}: no Chromium on the PATH (set CACHE_ONCE_CHROMIUM).`;
  }
  try {
    await drawAll(browser, figures);
  } finally {
    await browser.close();
  }
  return undefined;
}

async function drawAll(browser: Browser, figures: Output[]): Promise<void> {
  const page = await browser.newPage();
  await page.addScriptTag({ path: createRequire(__filename).resolve('plotly.js-dist/plotly.js') });
  await page.addScriptTag({ content: DRAWING });
  for (const figure of figures) {
    const json = JSON.stringify(figure.data?.[PLOTLY] ?? figure.data?.[SVG]);
    keep(figure, fromPage(await page.evaluate(`stillOf(${json})`)));
  }
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

/** What the page returns: a JPEG, or the colours and rows of a PNG. */
type FromPage = Still | { width: number; indexed: Omit<IndexedImage, 'rows'> & { rows: string } };

function fromPage(returned: FromPage): Still {
  if (!('indexed' in returned)) return returned;
  const { width, indexed } = returned;
  const png = indexedPng({ ...indexed, rows: Buffer.from(indexed.rows, 'base64') });
  return { type: 'image/png', base64: png.toString('base64'), width };
}

/** What the page needs besides Plotly; `stillOf(figure)` is the entrance. */
const DRAWING = `
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
`;
