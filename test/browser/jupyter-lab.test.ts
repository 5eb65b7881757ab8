/** A lesson under the hand, in JupyterLab in a real browser: figures, errors. */
import { rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launchBrowser } from '../../src/support/notebook/browser';
import { hasEnvironment, OpenNotebook } from './jupyter-lab';

const browser = await launchBrowser();
const missing: string[] = [];
if (!browser) missing.push('a Chromium or Chrome (install one, or set CACHE_ONCE_CHROMIUM)');
if (!hasEnvironment()) missing.push('.venv (run npm start once)');
const skipped = missing.length > 0;
if (skipped) console.warn(`The tests of JupyterLab are skipped; they need ${missing.join(', ')}.`);

it.runIf(process.env.CI)('nothing is missing where every change is tested', () => {
  expect(missing).toEqual([]);
});

/** The live figure ends when this file appears: a slow machine may take its time. */
const enough = join(tmpdir(), `cache-once-enough-${process.pid}`);
afterAll(() => rmSync(enough, { force: true }));

/** A figure with `count` points, whose title says how many. */
const figure = `
function points(count: number) {
  const x = Array.from({ length: count }, (_, n) => n);
  const y = x.map((n) => n * n);
  const trace = { type: 'scatter', mode: 'markers', x: x, y: y };
  const layout = { title: { text: count + ' points' }, showlegend: false };
  return { data: [trace], layout: layout, caption: count + ' points.' };
}`;
const cells = {
  imports: `
import { existsSync } from 'node:fs';
import { showLive } from './src/support/notebook/show-live';`,
  figure,
  live: `
const live = showLive();
let count = 0;
while (!existsSync(${JSON.stringify(enough)})) {
  live.draw(points(++count));
  await new Promise((go) => setTimeout(go, 400));
}
live.draw(points(40));
live.end();`,
  training: `
import { useEngine } from './src/support/backends/use-engine';
import { createModel } from './src/models/presets';
import { configOf, recipe, trainerOptionsOf } from './src/training/recipe';
import { Trainer } from './src/training/trainer';
await useEngine('wasm');
const small = { ...recipe('small'), dim: 16, ffnDim: 16, layers: 2, context: 16, steps: 1e6 };
const model = createModel(configOf(small, 16), { seed: 1 });
const text = Int32Array.from({ length: 200 }, (_, i) => (i * i) % 16);
const trainer = new Trainer(model, text, trainerOptionsOf(small));`,
  run: 'await trainer.run({ onStep: ({ step }) => console.log(step) });',
  step: 'console.log(trainer.step);',
  error: `
function inner(): void {
  throw new RangeError('no such window');
}
inner();`,
};
const indexOf = (name: keyof typeof cells): number => Object.keys(cells).indexOf(name);

describe.skipIf(skipped)('JupyterLab in a browser', { timeout: 300_000 }, () => {
  let notebook: OpenNotebook;
  beforeAll(async () => {
    notebook = await OpenNotebook.open(browser!, Object.values(cells));
    await notebook.run(indexOf('imports'));
    await notebook.run(indexOf('figure'));
  }, 300_000);
  afterAll(async () => {
    await notebook?.close();
    await browser?.close();
  }, 60_000);

  it('a live figure changes while its cell runs, and is kept as it was at the end', async () => {
    const cell = notebook.cell(indexOf('live'));
    const title = cell.locator('.gtitle');
    await notebook.start(indexOf('live'));
    const seen = new Set<string>();
    while (seen.size < 4) {
      for (const text of await title.allTextContents()) seen.add(text);
      await notebook.page.waitForTimeout(50);
    }
    expect(await notebook.isRunning(indexOf('live'))).toBe(true);
    writeFileSync(enough, '');
    await notebook.idle();
    await expect.poll(() => title.allTextContents(), { timeout: 30_000 }).toEqual(['40 points']);

    await notebook.page.waitForTimeout(1000); // the renderer adds a picture of its own
    const saved = (await notebook.save()).cells[indexOf('live')].outputs;
    expect(saved.map(({ data }) => data?.['text/plain'])).toEqual([['40 points.']]);
    expect(saved[0].data).toMatchObject({
      'application/vnd.plotly.v1+json': { layout: { title: { text: '40 points' } } },
    });
  });
  it('a point tells its numbers under the mouse', async () => {
    const cell = notebook.cell(indexOf('live'));
    await cell.locator('.scatterlayer .point').nth(39).hover({ force: true });
    await expect
      .poll(() => cell.locator('.hoverlayer .hovertext').allTextContents(), { timeout: 30_000 })
      .toEqual(['(39, 1521)']);
  });
  it('■ ends training after a step, and nothing goes on behind the reader’s back', async () => {
    await notebook.run(indexOf('training'));
    for (let time = 0; time < 2; time++) {
      await notebook.start(indexOf('run'));
      const output = notebook.cell(indexOf('run')).locator('.jp-OutputArea-output');
      await output.filter({ hasText: /\d/ }).waitFor();
      await notebook.interrupt();
      await notebook.idle();
      expect(await output.last().innerText()).toMatch(
        /Interrupted: Trainer: stopped after \d+ steps/,
      );
      await notebook.page.waitForTimeout(500);
      const steps: string[] = [];
      for (let look = 0; look < 2; look++) {
        await notebook.run(indexOf('step'));
        steps.push(await notebook.cell(indexOf('step')).locator('.jp-OutputArea').innerText());
      }
      expect(steps[0]).toMatch(/\d/);
      expect(steps[1]).toBe(steps[0]);
    }
  });
  it('an error ends with its message', async () => {
    await notebook.run(indexOf('error'));
    const output = notebook.cell(indexOf('error')).locator('.jp-OutputArea-output');
    await output.waitFor();
    const lines = (await output.innerText()).trim().split('\n');
    expect(lines.at(-1)).toBe('RangeError: no such window');
    expect(lines.at(-2)).toMatch(/cell \d+, line \d: throw new RangeError\('no such window'\);/);
    expect(lines.join('\n')).not.toMatch(/tslab|evalmachine|node:/);
  });
});
