/**
 * Tries every engine, for `npm run doctor`: does it work here, why not, what to do.
 *
 * Each is tried in a process of its own, because a native library can end the process that loads
 * it, or print to its console.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { type EngineName, type EngineReport, engineNames } from './use-engine';

export interface EngineFinding {
  name: EngineName;
  works: boolean;
  /** The device if it works, else why not and what to do. */
  detail: string;
}

type ChildReport = Pick<EngineReport, 'device' | 'precision'> | { error: string };

/** Marks the one line of the child's output that is meant for its parent. */
const marker = 'engine-report:';
/** What the child process prints for its parent. */
export const printReport = (report: ChildReport): string => marker + JSON.stringify(report);

const probeEngine = (name: EngineName): Promise<EngineFinding> =>
  new Promise((resolve) => {
    const child = join(__dirname, 'try-engine.ts');
    const options = {
      cwd: join(__dirname, '..', '..', '..'),
      timeout: 60_000,
      env: { ...process.env, TF_CPP_MIN_LOG_LEVEL: '3' },
    };
    execFile(process.execPath, ['--import', 'tsx', child, name], options, (failure, stdout) => {
      const line = stdout.split('\n').find((text) => text.startsWith(marker));
      const report = line ? (JSON.parse(line.slice(marker.length)) as ChildReport) : undefined;
      if (report === undefined) {
        const ended = failure?.signal
          ? `was ended by ${failure.signal}`
          : `ended with code ${failure?.code ?? 0}`;
        const advice = 'Remove or reinstall its package.';
        const detail = `Loading it ends the process (it ${ended}). ${advice}`;
        resolve({ name, works: false, detail });
      } else if ('error' in report) {
        resolve({ name, works: false, detail: report.error });
      } else {
        resolve({ name, works: true, detail: `${report.device}, ${report.precision}` });
      }
    });
  });

/** Tries all engines, in order of preference; takes seconds. The current engine stays current. */
export async function probeEngines(): Promise<EngineFinding[]> {
  const findings: EngineFinding[] = [];
  // One after another: together they would compete for cores and memory.
  for (const name of engineNames) findings.push(await probeEngine(name));
  return findings;
}
