/** Runs a program and hands its output on, or collects it. */
import { spawn, spawnSync } from 'node:child_process';

/** What a program printed, or `undefined` if it could not be started or failed. */
export function outputOf(program: string, args: string[]): string | undefined {
  const { status, stdout, stderr } = spawnSync(program, args, {
    encoding: 'utf8',
    timeout: 60_000,
  });
  return status === 0 ? `${stdout}${stderr}`.trim() : undefined;
}

/** Runs in the foreground; resolves with the exit code. @throws Error if the program cannot be started. */
export function runInForeground(
  program: string,
  args: string[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: 'inherit', env });
    // Ctrl-C goes to both of us; the child decides what it means.
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

/** Runs quietly and calls `onLine` for each line, for a progress display. Resolves with the exit code and all lines. */
export function runQuietly(
  program: string,
  args: string[],
  onLine: (line: string) => void,
): Promise<{ code: number; lines: string[] }> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const lines: string[] = [];
    const take = (chunk: Buffer): void => {
      for (const line of chunk.toString().split('\n').filter(Boolean)) {
        lines.push(line);
        onLine(line);
      }
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    child.on('error', reject);
    child.on('exit', (code) => resolve({ code: code ?? 1, lines }));
  });
}
