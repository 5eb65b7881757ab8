/**
 * JupyterLab in a headless browser, as `npm start` sets it up: a server of its own, in a folder of
 * its own, with one notebook.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Browser, Locator, Page } from 'playwright-core';
import type { Output } from '../../src/support/notebook/kernel-client';
import { prepareJupyter, projectPython } from '../../src/support/notebook/python-environment';

const FILE = 'lesson.ipynb';
/** Whether `npm start` has made its environment. */
export const hasEnvironment = (): boolean => existsSync(projectPython());

/** A notebook that is open in JupyterLab. */
export class OpenNotebook {
  private constructor(
    readonly page: Page,
    private readonly server: ChildProcess,
    private readonly folder: string,
  ) {}

  /** Starts a server, opens a notebook with these cells, and waits until its kernel is ready. */
  static async open(browser: Browser, sources: string[]): Promise<OpenNotebook> {
    const folder = mkdtempSync(join(tmpdir(), 'cache-once-lab-'));
    const cells = sources.map((source, i) => ({
      ...{ cell_type: 'code', id: `cell-${i}`, metadata: {}, source },
      ...{ outputs: [], execution_count: null },
    }));
    const kernelspec = { name: 'tslab', display_name: 'TypeScript (cache-once)' };
    const notebook = { cells, metadata: { kernelspec }, nbformat: 4, nbformat_minor: 5 };
    writeFileSync(join(folder, FILE), JSON.stringify(notebook));

    const { tools, env } = await prepareJupyter(() => undefined);
    const token = randomUUID();
    const [program, ...args] = tools.lab;
    const options = [
      `--ServerApp.root_dir=${folder}`,
      `--IdentityProvider.token=${token}`,
      '--no-browser',
      '--ip=127.0.0.1',
      '--port=0', // any that is free
      '--allow-root',
    ];
    // Its own settings and open tabs, not the reader's.
    const state: NodeJS.ProcessEnv = {};
    for (const name of ['JUPYTERLAB_SETTINGS_DIR', 'JUPYTERLAB_WORKSPACES_DIR', 'JUPYTER_DATA_DIR'])
      state[name] = join(folder, '.state', name);
    const server = spawn(program, [...args, ...options], {
      env: { ...env, ...state },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const address = await addressOf(server);
    const page = await browser.newPage({ viewport: { width: 1280, height: 1000 } });
    page.setDefaultTimeout(120_000); // a slow machine is not an error
    await page.goto(`${address}lab/tree/${FILE}?token=${token}`);
    const opened = new OpenNotebook(page, server, folder);
    await opened.idle();
    return opened;
  }

  cell(index: number): Locator {
    return this.page.locator('.jp-Notebook .jp-CodeCell').nth(index);
  }

  /** Starts a cell; does not wait for its end. */
  async start(index: number): Promise<void> {
    await this.cell(index).locator('.cm-content').click();
    await this.page.keyboard.press('Control+Enter');
    await this.cell(index).locator('.jp-InputPrompt', { hasText: /\d|\*/ }).waitFor();
  }

  /** Runs a cell to its end. */
  async run(index: number): Promise<void> {
    await this.start(index);
    await this.idle();
  }

  /** Waits until the kernel is connected and no cell runs. */
  async idle(): Promise<void> {
    await this.page.locator('.jp-StatusBar-TextItem', { hasText: '| Idle' }).waitFor();
    const running = this.page.locator('.jp-InputPrompt', { hasText: '*' });
    while ((await running.count()) > 0) await this.page.waitForTimeout(50);
  }

  async isRunning(index: number): Promise<boolean> {
    return (await this.cell(index).locator('.jp-InputPrompt').innerText()).includes('*');
  }

  /** Presses ■ in the toolbar. */
  async interrupt(): Promise<void> {
    await this.page.locator('[data-command="notebook:interrupt-kernel"]').first().click();
  }

  /** Saves the notebook; what the file then holds. */
  async save(): Promise<{ cells: { outputs: Output[] }[] }> {
    const written = this.page.waitForResponse(
      (response) => response.request().method() === 'PUT' && response.url().includes(FILE),
    );
    await this.page.locator('[data-command="docmanager:save"]').first().click();
    await written;
    return JSON.parse(readFileSync(join(this.folder, FILE), 'utf8'));
  }

  async close(): Promise<void> {
    await this.page.close();
    const ended = new Promise((resolve) => this.server.once('exit', resolve));
    this.server.kill('SIGTERM'); // it ends its kernels
    await ended;
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** The address that a server prints when it listens. */
async function addressOf(server: ChildProcess): Promise<string> {
  const said: string[] = [];
  for await (const line of createInterface({ input: server.stderr! })) {
    said.push(line);
    const address = line.match(/(http:\/\/127\.0\.0\.1:\d+\/)lab/)?.[1];
    if (address) {
      server.stderr!.resume();
      return address;
    }
  }
  throw new Error(`JupyterLab did not start:\n${said.join('\n')}`);
}
