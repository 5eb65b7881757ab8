/**
 * Every engine tried, for `npm run doctor`: does it work here, why not, what to do.
 *
 * Each is tried in a process of its own: a native library can end the process that loads it, or print what nobody asked for.
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

const marker = 'engine-report:';
/** What the child process prints for its parent. */
export const printReport = (
  report: Pick<EngineReport, 'device' | 'precision'> | { error: string },
): string => marker + JSON.stringify(report);

const tryEngine = (name: EngineName): Promise<EngineFinding> =>
  new Promise((resolve) => {
    const child = join(__dirname, 'try-engine.ts');
    const options = {
      cwd: join(__dirname, '..', '..', '..'),
      timeout: 60_000,
      env: { ...process.env, TF_CPP_MIN_LOG_LEVEL: '3' },
    };
    execFile(process.execPath, ['--import', 'tsx', child, name], options, (failure, stdout) => {
      const line = stdout.split('\n').find((l) => l.startsWith(marker));
      const report = line
        ? (JSON.parse(line.slice(marker.length)) as {
            device?: string;
            precision?: string;
            error?: string;
          })
        : undefined;
      const ended = failure?.signal
        ? `was ended by ${failure.signal}`
        : `ended with code ${failure?.code ?? 0}`;
      if (report?.device)
        resolve({ name, works: true, detail: `${report.device}, ${report.precision}` });
      else
        resolve({
          name,
          works: false,
          detail:
            report?.error ??
            `Loading it ends the process (it ${ended}). Remove or reinstall its package.`,
        });
    });
  });

/** Tries all engines, in order of preference. Takes seconds. The engine of this process stays as it is. */
export async function surveyEngines(): Promise<EngineFinding[]> {
  const findings: EngineFinding[] = [];
  for (const name of engineNames) findings.push(await tryEngine(name)); // one by one: two cores, and memory for one
  return findings;
}
