/**
 * PyTorch as a neighbour: installed into .venv/ on request, started once, asked in JSON, one line
 * at a time.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { prepareJupyter, root } from '../../../src/support/notebook/python-environment';
import { outputOf, runQuietly } from '../../../src/support/notebook/run-command';

const python = join(
  root,
  '.venv',
  ...(process.platform === 'win32' ? ['Scripts', 'python.exe'] : ['bin', 'python']),
);
const requirements = join(__dirname, 'requirements.txt');
const hasTorch = () =>
  existsSync(python) &&
  outputOf(python, ['-c', 'import torch; print(torch.__version__)']) !== undefined;

/**
 * The interpreter with PyTorch in it; installs it if need be.
 * @throws Error with what is missing and how to get it.
 */
export async function preparePeer(say: (line: string) => void): Promise<string> {
  if (hasTorch()) return python;
  if (!existsSync(python)) await prepareJupyter(say);
  if (!existsSync(python))
    throw new Error('there is no .venv/ to install PyTorch into; run npm start once, it makes one');
  say(
    'Installing PyTorch into .venv/ (0.9 GB; on Linux with an open network up to 3 GB, because its wheel brings CUDA). Delete .venv/ to undo.',
  );
  const { code, lines } = await runQuietly(
    python,
    ['-m', 'pip', 'install', '--disable-pip-version-check', '-r', requirements],
    (line) => {
      if (line.startsWith('Collecting')) say(`  ${line}`);
    },
  );
  if (code !== 0)
    throw new Error(
      `PyTorch could not be installed: ${lines.filter((line) => /error/i.test(line)).at(-1) ?? lines.at(-1)}`,
    );
  if (!hasTorch())
    throw new Error(
      'PyTorch is installed, but import torch fails; try it in .venv/ by hand to see why',
    );
  return python;
}

type Answer = { error?: string; ms?: number; numbers?: number[][]; version?: string };

export class Peer {
  private readonly child: ChildProcessWithoutNullStreams;
  private readonly waiting: {
    resolve: (answer: Answer) => void;
    reject: (error: Error) => void;
  }[] = [];
  private complaints = '';
  private gone?: Error;

  /** @param device `cuda` is taken if PyTorch sees a card, `cpu` otherwise. */
  constructor(interpreter: string, device: 'cpu' | 'cuda' = 'cpu') {
    this.child = spawn(interpreter, [join(__dirname, 'peer.py'), device]);
    createInterface({ input: this.child.stdout }).on('line', (line) =>
      this.waiting.shift()?.resolve(JSON.parse(line) as Answer),
    );
    this.child.stderr.on('data', (chunk: Buffer) => {
      this.complaints = `${this.complaints}${chunk}`.slice(-2000);
    });
    const fail = (why: string) => {
      this.gone ??= new Error(why);
      for (const { reject } of this.waiting.splice(0)) reject(this.gone);
    };
    this.child.on('error', (error) => fail(`PyTorch could not be started: ${error.message}`));
    this.child.stdin.on('error', () => undefined); // it has ended; 'close' says why
    this.child.on('close', (code) =>
      fail(`PyTorch ended with code ${code}: ${this.complaints.trim().split('\n').at(-1)}`),
    );
  }

  /** @throws Error with PyTorch's own words. */
  async ask(request: object): Promise<Answer> {
    const answer = await new Promise<Answer>((resolve, reject) => {
      if (this.gone) {
        reject(this.gone);
        return;
      }
      this.waiting.push({ resolve, reject });
      this.child.stdin.write(`${JSON.stringify(request)}\n`);
    });
    if (answer.error) throw new Error(`PyTorch: ${answer.error}`);
    return answer;
  }
  close(): void {
    this.child.stdin.end();
  }
}
