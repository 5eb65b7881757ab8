/**
 * The process of a submission, seen from the judge: requests go in, answers come out as values.
 * Whatever else it does ends it, with all of its process group, and no other.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import type { StudentFolder } from './student-folder';
import { type Answer, readAnswer } from './value-message';

const MOST_CHARACTERS = 4_000_000; // that come between two requests
const HEAP_MB = 512;
const MEMORY_KB = 1_500_000; // the heap, and what lies outside of it
/** No core file, so much memory, and an end even if the grader itself is killed. */
const LIMITS = ['-c 0', `-d ${MEMORY_KB}`, '-t 1800'];
/** Linux, where users may do this: no network, and no other process that a signal could reach. */
const NAMESPACE = ['--user', '--map-root-user', '--net', '--pid', '--fork', '--kill-child'];

/** Why there is no answer, in the words of the table: "does not end". */
export class NoAnswer extends Error {}

/**
 * The command that runs a program of Node without rights.
 * @throws Error where the system or Node cannot do that.
 */
export function fence(): string[] {
  if (process.platform === 'win32')
    throw new Error('Grading needs Linux or macOS; on Windows run it in WSL or in a container.');
  const names = ['--permission', '--experimental-permission'];
  const permission = names.find((name) => process.allowedNodeEnvironmentFlags.has(name));
  if (!permission)
    throw new Error(`Node ${process.version} has no permission model; grade with 20 or newer.`);

  const limits = LIMITS.map((limit) => `(ulimit ${limit}) 2>/dev/null && ulimit ${limit};`);
  const shell = ['sh', '-c', `${limits.join(' ')} exec "$@"`, 'sh'];
  const isolates = spawnSync('unshare', [...NAMESPACE, 'true']).status === 0;
  const namespace = isolates ? ['unshare', ...NAMESPACE] : [];
  return [...shell, ...namespace, process.execPath, permission];
}

export class FencedProcess {
  private readonly child: ChildProcess;
  private readonly requests: Writable;
  private id = 0; // of the latest request
  private unread = '';
  private received = 0; // characters since the latest request
  private end?: NoAnswer;
  private waiting?: { resolve: (answer: Answer) => void; reject: (reason: NoAnswer) => void };

  /** Ready when request 0, which is not sent, is answered. */
  constructor(
    [command, ...before]: string[],
    { path, packages, program }: StudentFolder,
    private readonly onRefused: (what: string) => void,
  ) {
    const reads = [path, packages].map((folder) => `--allow-fs-read=${folder}/*`);
    const args = [...before, ...reads, `--max-old-space-size=${HEAP_MB}`, '--no-warnings', program];
    this.child = spawn(command, args, {
      cwd: path,
      detached: true, // the leader of a process group, which is killed as one
      env: { PATH: process.env.PATH },
      stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
    });
    this.child.on('error', (error) => this.stop(new NoAnswer(error.message)));
    this.child.on('exit', (code) => this.stop(new NoAnswer(endingText(code))));
    this.requests = this.child.stdio[3] as Writable;
    const answers = this.child.stdio[4] as Readable;
    answers.setEncoding('utf8').on('data', (chunk: string) => this.receive(chunk));
    for (const stream of [this.requests, answers]) stream.on('error', () => {}); // exit follows
    process.once('exit', this.stopWithGrader);
  }

  ready(timeoutMs: number): Promise<Answer> {
    return this.answer(timeoutMs);
  }

  /** @throws NoAnswer, and then the process has ended. */
  ask(request: object, timeoutMs: number): Promise<Answer> {
    this.id++;
    this.requests.write(`${JSON.stringify({ id: this.id, ...request })}\n`);
    return this.answer(timeoutMs);
  }

  private answer(timeoutMs: number): Promise<Answer> {
    if (this.end) return Promise.reject(this.end);
    this.received = 0;
    const late = setTimeout(() => this.stop(new NoAnswer('does not end')), timeoutMs);
    const answer = new Promise<Answer>((resolve, reject) => {
      this.waiting = { resolve, reject };
    });
    return answer.finally(() => clearTimeout(late));
  }

  private receive(chunk: string): void {
    this.received += chunk.length;
    if (this.received > MOST_CHARACTERS) {
      this.stop(new NoAnswer('sends too much'));
      return;
    }
    const lines = (this.unread + chunk).split('\n');
    this.unread = lines.pop() as string;
    for (const line of lines) this.read(line);
  }

  private read(line: string): void {
    try {
      const answer = readAnswer(line);
      if (answer.refused !== undefined) this.onRefused(answer.refused);
      else if (answer.id === this.id) this.waiting?.resolve(answer);
    } catch {
      this.stop(new NoAnswer('sends what is no answer'));
    }
  }

  private readonly stopWithGrader = (): void => this.stop();

  stop(reason = new NoAnswer('was stopped')): void {
    if (this.end) return;
    this.end = reason;
    process.off('exit', this.stopWithGrader);
    try {
      process.kill(-(this.child.pid as number), 'SIGKILL');
    } catch {
      // The whole group has ended by itself.
    }
    for (const stream of this.child.stdio) stream?.destroy();
    this.waiting?.reject(reason);
  }
}

/** A signal has no exit code, or one above 128. */
function endingText(code: number | null): string {
  return code === null || code > 128
    ? 'crashes or runs out of memory'
    : 'ends its process (process.exit)';
}
