/** The kernel: nothing that a cell prints is lost, no error ends it, and its texts can be read. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CellResult, KernelClient } from '../../../src/support/notebook/kernel-client';
import { kernelSpec, root } from '../../../src/support/notebook/python-environment';

let kernel: KernelClient;
const run = (code: string): Promise<CellResult> => kernel.execute(code, 300_000);
beforeAll(async () => {
  kernel = await KernelClient.start(kernelSpec().argv);
}, 600_000);
afterAll(() => kernel.stop());

/** All that a cell printed, as one text. */
function textOf({ outputs }: CellResult): string {
  return outputs.map(({ text, data }) => text ?? String(data?.['text/plain'])).join('');
}
/** tslab refuses what comes within 200 ms after a cell that failed. */
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
async function failing(code: string): Promise<string> {
  const result = await run(code);
  await pause(300);
  expect(result.status).toBe('error');
  return textOf(result);
}

describe('what a cell prints', { timeout: 600_000 }, () => {
  it('20,000 lines without a pause arrive, and after them the end of the cell', async () => {
    const printed = textOf(await run('for (let i = 0; i < 20_000; i++) console.log(i);'));
    expect(printed).toBe(`${Array.from({ length: 20_000 }, (_, i) => i).join('\n')}\n`);
  });
  it('3,000 figures without a pause arrive complete, too', async () => {
    await run("import { show } from './src/support/notebook/show';");
    const { outputs } = await run(
      "for (let i = 0; i < 3000; i++) show({ data: [], layout: {}, caption: 'figure ' + i });",
    );
    expect(outputs).toHaveLength(3000);
  });
  it('texts and figures keep their order; stdout and stderr stay apart', async () => {
    const result = await run(
      "console.log('one'); show({ data: [], layout: {}, caption: 'two' }); " +
        "console.log('three'); console.error('four');",
    );
    const kept = result.outputs.map(({ name, text, data }) => [name, text ?? data?.['text/plain']]);
    expect(kept).toEqual([
      ['stdout', 'one\n'],
      [undefined, 'two'],
      ['stdout', 'three\n'],
      ['stderr', 'four\n'],
    ]);
  });
  it('progress of a computation without a pause is sent while it runs', () => {
    const { gatherText } = createRequire(__filename)(
      '../../../src/support/notebook/kernel-streams.cjs',
    ) as { gatherText(send: () => void): { write(name: string, text: string): void } };
    let messages = 0;
    const { write } = gatherText(() => {
      messages++;
    });
    for (const end = Date.now() + 350; Date.now() < end; ) write('stdout', 'step\n');
    expect(messages).toBeGreaterThanOrEqual(1);
    expect(messages).toBeLessThan(5);
  });
});

describe('an error that no cell waits for', { timeout: 600_000 }, () => {
  beforeAll(async () => {
    // The wasm engine installs listeners that end a Node process on such errors.
    await run("import { useEngine } from './src/support/backends/use-engine';");
    await run("await useEngine('wasm');");
  }, 600_000);
  it('a promise that fails later is printed with its cell, and the next cells run', async () => {
    const lost = await run(
      'async function later(): Promise<void> {\n' +
        '  await new Promise((go) => setTimeout(go, 20));\n' +
        "  throw new Error('lost');\n}\nvoid later();",
    );
    expect(lost.status).toBe('ok');
    await pause(300);
    expect(textOf(await run("console.log('still here')"))).toBe('still here\n');
    expect(textOf(lost)).toMatch(/Nothing waited for this work.*\n(.*\n)*Error: lost\n$/);
  });
  it('a throw in a timer, too', async () => {
    const lost = await run("void setTimeout(() => { throw new Error('late'); }, 20);");
    await pause(300);
    expect(textOf(await run("console.log('still here')"))).toBe('still here\n');
    expect(textOf(lost)).toMatch(/Nothing waited for this work.*\n(.*\n)*Error: late\n$/);
  });
});

describe('files that change while the kernel runs', { timeout: 600_000 }, () => {
  const folder = join(root, '.cache', `kernel-test-${process.pid}`);
  const file = join(folder, 'fresh.ts');
  const read = `import { x } from './.cache/kernel-test-${process.pid}/fresh';\nconsole.log(x);`;
  beforeAll(() => mkdirSync(folder, { recursive: true }));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  it('a module that was created, and then changed, is found; other cells run', async () => {
    expect(await failing(read)).toMatch(/Cannot find module/);
    for (const x of ['1', '2']) {
      writeFileSync(file, `export const x = ${x};\n`);
      await pause(1000); // until the file system has told
      expect(textOf(await run("console.log('on')"))).toBe('on\n');
      const seen = async () => {
        const text = textOf(await run(read));
        await pause(300);
        return text;
      };
      // On a busy machine the file system tells later.
      await expect.poll(seen, { timeout: 60_000 }).toBe(`${x}\n`);
    }
  });
});

describe('for readers', { timeout: 600_000 }, () => {
  beforeAll(async () => {
    await run("import * as tf from '@tensorflow/tfjs';");
    await run("await tf.setBackend('cpu');");
  }, 600_000);
  it('a tensor as the last value shows its values, its shape and its type', async () => {
    const text = textOf(await run('tf.tensor2d([[1, 2], [3, 4]])'));
    for (const part of ['float32', '[2,2]', '[[1, 2],', '[3, 4]]']) expect(text).toContain(part);
    expect(text).not.toContain('dataId');
  });
  it('so does a tensor inside an object; one that is gone says so', async () => {
    const inside = textOf(await run("({ q: tf.tensor1d([5, 6], 'int32') })"));
    expect(inside).toMatch(/q: Tensor[\s\S]*int32[\s\S]*\[5, 6\]/);
    const gone = textOf(await run('const gone = tf.scalar(1); gone.dispose(); gone'));
    expect(gone).toBe('Tensor float32 [], disposed\n');
  });
  it('a name that is not there: the cells above may have to run first', async () => {
    expect(await failing('console.log(notYet);')).toMatch(
      /Cannot find name 'notYet'\. If a cell above declares it, run the cells above first\.$/m,
    );
  });
  it('an error ends with its message, below the calls of the reader that led to it', async () => {
    await run("import { attention } from './src/attention/attention';");
    await run('function mine(): void {\n  attention({ q: tf.ones([2]) } as never);\n}');
    const text = await failing('mine();');
    expect(text.trimEnd().split('\n').at(-1)).toMatch(/^RangeError: attention: /);
    expect(text).toMatch(
      /cell \d+, line 1: mine\(\);\n +cell \d+, line 2: attention\(.*\);\n +in attention \(src\/attention\/attention\.ts:\d+\)/,
    );
    const line = Number(text.match(/attention\.ts:(\d+)\)/)?.[1]);
    const source = readFileSync(join(root, 'src/attention/attention.ts'), 'utf8').split('\n');
    expect(source[line - 1]).toContain('readAttentionShapes(');
    expect(text).not.toMatch(/tslab|node:|evalmachine|node_modules/);
  });
  it('the line that threw is shown, and what caused it', async () => {
    const lines = [
      'interface Size { dim: number }',
      '',
      'const size: Size = { dim: 3 };',
      'if (size.dim > 2)',
      "  throw new Error('above', { cause: new TypeError('below') });",
    ];
    expect(await failing(lines.join('\n'))).toMatch(
      /^ {2}cell \d+, line 5: throw new Error\(.*\);\nError: above\ncaused by TypeError: below\n$/,
    );
  });
  it('so it is after an await, and in a function of another cell', async () => {
    await run(
      '// a line more\nasync function waits(): Promise<void> {\n  await 1;\n  JSON.parse("{");\n}',
    );
    expect(await failing('await 1;\nawait waits();')).toMatch(
      /^ {2}cell \d+, line 2: await waits\(\);\n {2}cell \d+, line 4: JSON\.parse\("\{"\);\nSyntaxError: .*\n$/,
    );
  });
  it('the short form { x } of a name from another cell: what to write instead', async () => {
    await run('const x = 1;');
    expect(await failing('console.log({ x });')).toMatch(
      /ReferenceError: x is not defined\. Cells .* write \{ x: x \}\.\n$/,
    );
  });
});

describe('names under the cursor', { timeout: 600_000 }, () => {
  beforeAll(async () => {
    await run(
      "import { attention, createModel, generate, PagedKvCache, useEngine } from './src/index';",
    );
  }, 600_000);
  it('a function tells its call, its purpose, its shapes, and an example', async () => {
    const text = await kernel.inspect('attention');
    expect(text).toMatch(
      /^attention\(inputs, options\?\) → tf\.Tensor4D|^attention\(inputs, options\?\) → /,
    );
    expect(text).toContain('q [B, N, H, Dk], k [B, M, Hkv, Dk], v [B, M, Hkv, Dv] → [B, N, H, Dv]');
    expect(text).toMatch(/inputs: AttentionInputs\n {2}q: tf\.Tensor4D {2}\/\/ \[B, N, H, Dk\]/);
    expect(text).toMatch(
      /options: AttentionOptions\n(.*\n)* {2}padLengths\?: PadLengths {2}\/\/ keys at/,
    );
    expect(text).toMatch(/In \d\d-[\w-]+\.ipynb:\n(.*\n)*.*attention\(/);
  });
  it('options that are documented, a class, a call within a line', async () => {
    const text = await kernel.inspect('await generate');
    expect(text).toMatch(/^generate\(model, prompts, options\) → Promise</);
    expect(text).toMatch(/ {2}seed\?: number {2}\/\/ Row r draws from stream r of this seed/);
    expect(await kernel.inspect('const cache = new PagedKvCache')).toMatch(/^new PagedKvCache\(/);
    expect(await kernel.inspect('useEngine')).toMatch(/^useEngine\(/);
  });
  it('a value of the reader keeps its type; nothing is shown of nothing', async () => {
    await run('const width = 3;');
    expect(await kernel.inspect('width')).toMatch(/width: 3|width: number/);
    expect(await kernel.inspect('1 + ')).toBeUndefined();
  });
  it('completion offers what a value can do', async () => {
    expect(await kernel.complete('generate(undefined as never, [], {} as never).th')).toContain(
      'then',
    );
  });
});

it('a kernel that ends between two cells is named at once', { timeout: 600_000 }, async () => {
  const client = await KernelClient.start(kernelSpec().argv);
  await client.execute('setTimeout(() => process.exit(3), 20);', 300_000);
  await pause(500);
  await expect(client.execute('1', 300_000)).rejects.toThrow('the kernel ended (code 3)');
  client.stop();
});
