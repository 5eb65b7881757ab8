/**
 * `npm run train` as a reader runs it: killed without warning, stopped with Ctrl-C, given wrong
 * options. The run takes about a second and saves every other step, so a kill at a random moment
 * often falls into a save.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkFits } from '../../../src/support/cli/training-limits';
import { root } from '../../../src/support/notebook/python-environment';
import type { ModelCard } from '../../../src/training/checkpoint';
import { recipe as presetOf } from '../../../src/training/recipe';

const folder = mkdtempSync(join(tmpdir(), 'train-'));
afterAll(() => rmSync(folder, { recursive: true }));
const song = join(folder, 'song.txt');
beforeAll(() => {
  const line = (i: number) =>
    `it was the whale. it was the sea ${i % 7}. was it the whale, or was it the sea?\n`;
  writeFileSync(song, Array.from({ length: 14 }, (_, i) => line(i)).join(''));
});
const sizes = [
  ...'--dim 8 --ffn-dim 8 --layers 2 --heads 1 --kv-heads 1 --self-heads 1'.split(' '),
  ...'--batch 1 --context 8'.split(' '),
];
const recipe = [
  ...sizes,
  ...'--tokenizer bytes --steps 60 --validate-every 2 --patience 30'.split(' '),
  ...'--accumulate 2 --chunk 4 --learning-rate 0.01'.split(' '),
];

interface Run {
  child: ChildProcess;
  said: () => string;
  ended: Promise<number | null>;
}
function train(...args: string[]): Run {
  const child = spawn(process.execPath, ['-r', 'tsx/cjs', 'src/support/cli/train.ts', ...args], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (text) => {
      said += text;
    });
  return {
    child,
    said: () => said,
    ended: once(child, 'close').then(([code]) => code as number | null),
  };
}
const start = (name: string, ...more: string[]): Run =>
  train('--corpus', song, '--out', folder, '--name', name, ...recipe, ...more);
const resume = (name: string): Run => train('--resume', join(folder, name));
/** Waits until the run has measured so many times. */
async function measured({ child, said }: Run, times: number): Promise<void> {
  while (child.exitCode === null && (said().match(/^step /gm) ?? []).length < times) await pause(5);
}
const cardOf = (name: string): ModelCard =>
  JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8')) as ModelCard;

describe('an interrupted run', { timeout: 600_000 }, () => {
  it('killed three times and stopped once, ends like an uninterrupted one', async () => {
    const unbroken = start('unbroken');
    expect(await unbroken.ended, unbroken.said()).toBe(0);
    const moments: number[] = [];
    let run = start('broken');
    for (let kill = 0; kill < 3; kill++) {
      await measured(run, 1);
      moments.push(Math.round(Math.random() * 25));
      await pause(moments.at(-1));
      run.child.kill('SIGKILL');
      expect(await run.ended, run.said()).toBeNull(); // it was still running
      run = resume('broken');
    }
    await measured(run, 1);
    run.child.kill('SIGINT');
    expect(await run.ended, run.said()).toBe(0);
    expect(run.said()).toMatch(
      /Stopped after \d+ of 60 steps and saved .*broken.resume.safetensors. Go on with\n {2}npm run train -- --resume .*broken\n/,
    );
    run = resume('broken');
    expect(await run.ended, run.said()).toBe(0);
    expect(run.said()).toMatch(/\d+ of them are done/);

    const [whole, pieces] = [cardOf('unbroken'), cardOf('broken')];
    expect(whole.curve.losses.length).toBe(60);
    expect(pieces.curve, `killed after ${moments} ms`).toEqual(whole.curve);
    expect(pieces.heldOut).toEqual(whole.heldOut);
    expect(
      readFileSync(join(folder, 'broken.safetensors')).equals(
        readFileSync(join(folder, 'unbroken.safetensors')),
      ),
    ).toBe(true);
    expect(
      readdirSync(folder)
        .filter((file) => file.startsWith('broken'))
        .sort(),
    ).toEqual(['broken.json', 'broken.safetensors']);
  });
  it('is not overwritten, and resumes from the previous file if one is damaged', async () => {
    const first = start('twice');
    await measured(first, 2);
    first.child.kill('SIGINT');
    await first.ended;
    const second = start('twice');
    expect(await second.ended).toBe(1);
    expect(second.said()).toMatch(
      /interrupted run .*twice. --resume continues it, --restart deletes it, --name names another/,
    );
    const file = join(folder, 'twice.resume.safetensors');
    writeFileSync(file, readFileSync(file).subarray(0, 3000));
    const third = resume('twice');
    await measured(third, 1);
    expect(third.said()).toMatch(
      /twice.resume.safetensors: .*\nThe run goes on from .*twice.resume.previous.safetensors, after step \d+/,
    );
    third.child.kill('SIGKILL');
    await third.ended;
    const fourth = start('twice', '--restart', '--steps', '2', '--sample-every', '1');
    expect(await fourth.ended, fourth.said()).toBe(0);
    expect(fourth.said()).toMatch(/step 2 writes: "/);
    expect(cardOf('twice').curve.losses.length).toBe(2);
  });
});

describe('what cannot be done is refused before the first step', { timeout: 600_000 }, () => {
  it('a second run of the same name; a killed one does not count', async () => {
    const first = start('locked', '--steps', '100000');
    await measured(first, 1);
    for (const second of [start('locked', '--restart'), resume('locked')]) {
      expect(await second.ended).toBe(1);
      expect(second.said()).toMatch(/Another process trains .*locked just now.*another --name/);
    }
    expect(first.child.exitCode).toBeNull();
    const other = start('unlocked', '--steps', '2');
    expect(await other.ended, other.said()).toBe(0);
    first.child.kill('SIGKILL');
    await first.ended;
    const third = resume('locked');
    await measured(third, 1);
    third.child.kill('SIGINT');
    expect(await third.ended, third.said()).toBe(0);
  });
  it('a folder that cannot be written', async () => {
    const run = train('--corpus', song, '--out', join(song, 'below'), ...recipe);
    expect(await run.ended).toBe(1);
    expect(run.said()).toMatch(/song\.txt\/below cannot be written: .*Give another --out\.\n$/);
    expect(run.said()).not.toMatch(/Tokens:/);
  });
  it.each([
    ['--batch 99999999', /--batch 99999999 and --context 8 needs .* Give --batch \d+ or less/],
    ['--context 99999999', /--context 99999999 needs .* GiB at least, .*--context \d+ or less/],
    [
      '--dim 9999998 --heads 1',
      /it has [\d,]+ weights. Give a smaller --dim, --ffn-dim or --layers/,
    ],
  ])('%s', async (typed, word) => {
    const sizesOnly = [...sizes, '--tokenizer', 'bytes', ...typed.split(' ')];
    const run = train('--corpus', song, '--out', folder, '--name', 'large', ...sizesOnly);
    expect(await run.ended).toBe(1);
    expect(run.said()).toMatch(word);
    expect(readdirSync(folder).filter((file) => file.startsWith('large'))).toEqual([]);
  });
  it('… with the largest number that the bound allows', () => {
    const tiny = { ...presetOf('small'), dim: 8, ffnDim: 8, layers: 2, heads: 1, kvHeads: 1 };
    const typed = { ...tiny, selfHeads: 1, context: 8, batch: 99_999_999 };
    const largest = (): number => {
      try {
        checkFits(typed, 2 ** 30);
      } catch (error) {
        return Number((error as Error).message.match(/Give --batch (\d+) or less/)?.[1]);
      }
      return Number.NaN;
    };
    const allowed = largest();
    expect(() => checkFits({ ...typed, batch: allowed }, 2 ** 30)).not.toThrow();
    expect(() => checkFits({ ...typed, batch: allowed + 1 }, 2 ** 30)).toThrow(/GiB at least/);
  });
});

describe('the command line', { timeout: 600_000 }, () => {
  it.each([
    ['--tokenizer words', /Allowed choices are characters, bytes, byte-pair, cl100k_base/],
    [
      '--vocab-size 300',
      /--vocab-size is for --tokenizer byte-pair; the size of characters is fixed/,
    ],
    ['--resume none --chunk 4', /--resume continues with the recipe of the run; leave out chunk/],
  ])('%s is refused with what is allowed', async (typed, word) => {
    const run = train(...typed.split(' '));
    expect(await run.ended).toBe(1);
    expect(run.said()).toMatch(word);
  });
  it('--help names every option of the recipe', async () => {
    const run = train('--help');
    expect(await run.ended).toBe(0);
    for (const option of [
      '--tokenizer',
      '--vocab-size',
      '--accumulate',
      '--chunk',
      '--patience',
      '--sample-every',
      '--resume',
      '--restart',
      '--floor',
    ])
      expect(run.said()).toContain(`${option} `);
  });
});
