/** Runs other programs. */
import { spawn, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';

/** What a program printed, or `undefined` if it could not be started or failed. */
export function outputOf(program: string, args: string[]): string | undefined {
  const { status, stdout, stderr } = spawnSync(program, args, {
    encoding: 'utf8',
    timeout: 60_000,
  });
  return status === 0 ? `${stdout}${stderr}`.trim() : undefined;
}

/**
 * Runs in the foreground; resolves with the exit code.
 * @throws Error if the program cannot be started.
 */
export function runInForeground(
  program: string,
  args: string[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: 'inherit', env });
    // Ctrl-C reaches both processes; the child decides what it means.
    const ignore = (): void => undefined;
    process.on('SIGINT', ignore);
    child.on('error', reject);
    child.on('exit', (code, signal) => {
      process.off('SIGINT', ignore);
      resolve(code ?? (signal === 'SIGINT' ? 0 : 1));
    });
  });
}

/** The npm that started us, in the foreground; resolves with its exit code. */
export function runNpm(args: string[]): Promise<number> {
  const npm = process.env.npm_execpath;
  return npm ? runInForeground(process.execPath, [npm, ...args]) : runInForeground('npm', args);
}

/**
 * Runs without printing anything; `onLine` is called for each line that the program prints.
 * Resolves with the exit code and all lines.
 * @throws Error if the program cannot be started.
 */
export function runQuietly(
  program: string,
  args: string[],
  onLine: (line: string) => void = () => undefined,
  env: NodeJS.ProcessEnv = process.env,
): Promise<{ code: number; lines: string[] }> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], env });
    const lines: string[] = [];
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        if (line === '') return;
        lines.push(line);
        onLine(line);
      });
    }
    child.on('error', reject);
    child.on('close', (code) => resolve({ code: code ?? 1, lines }));
  });
}
