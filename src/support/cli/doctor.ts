/** `npm run doctor`: what is here, what works, and what to do about what does not. */
import { existsSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import { join } from 'node:path';
import { probeEngines } from '../backends/probe';
import { findJupyterLab, findPython, root } from '../notebook/python-environment';
import { outputOf } from '../notebook/run-command';

function nodeText(): string {
  const major = Number(process.versions.node.split('.')[0]);
  if (major < 20) return `${process.version}: too old, install Node 20 to 24`;
  if (major > 24) return `${process.version}: newer than what is tested (Node 20 to 24)`;
  return process.version;
}

function machineText(): string {
  const gibibytes = (totalmem() / 2 ** 30).toFixed(0);
  const system = `${process.platform} ${process.arch}`;
  return `${availableParallelism()} cores, ${gibibytes} GiB of memory, ${system}`;
}

function pythonText(): string {
  const { command, found } = findPython();
  if (command) return found[found.length - 1];
  const instead = found.join(', ') || 'nothing on the PATH';
  return `none from 3.9 on (${instead}): install python3, then npm start`;
}

function jupyterText(): string {
  const installed = findJupyterLab();
  if (!installed) return 'not there yet: npm start installs it';
  return `${installed.version}, of ${installed.whose}`;
}

function tslabText(): string {
  const program = join(root, 'node_modules', 'tslab', 'bin', 'tslab');
  const version = outputOf(process.execPath, [program, '--version']);
  if (version === undefined) return 'not installed: npm ci';
  const spec = join(root, '.venv', 'share', 'jupyter', 'kernels', 'tslab', 'kernel.json');
  if (!existsSync(spec)) return `${version}, no kernel spec yet: npm start writes it`;
  return `${version}, kernel spec in .venv`;
}

async function main(): Promise<void> {
  const line = (name: string, text: string): void => console.log(`${name.padEnd(12)}${text}`);
  line('node', nodeText());
  line('machine', machineText());
  line('python', pythonText());
  line('jupyterlab', jupyterText());
  line('tslab', tslabText());
  console.log('engines, best first:');
  for (const { name, works, detail } of await probeEngines()) {
    line(`  ${name}`, `${works ? 'works' : 'does not work'}: ${detail}`);
  }
}

main().catch((error: Error) => {
  console.error(error.message);
  process.exitCode = 1;
});
