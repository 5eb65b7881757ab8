/** npm run doctor: what is here, what works, and what to do about what does not. */
import { existsSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import { join } from 'node:path';
import { surveyEngines } from '../backends/probe';
import { findPython, root } from '../notebook/python-environment';
import { outputOf } from '../notebook/run-command';

async function main(): Promise<void> {
  const line = (name: string, text: string): void => console.log(`${name.padEnd(12)}${text}`);
  const major = Number(process.versions.node.split('.')[0]);
  line('node', `${process.version}${major < 20 ? ': too old, install Node 20 or 22' : ''}`);
  line(
    'machine',
    `${availableParallelism()} cores, ${(totalmem() / 2 ** 30).toFixed(0)} GiB of memory, ${process.platform} ${process.arch}`,
  );
  const { command, found } = findPython();
  line(
    'python',
    command
      ? found.at(-1)!
      : `none from 3.9 on (${found.join(', ') || 'nothing on the PATH'}): install python3, then npm start`,
  );
  const ours = [
    join(root, '.venv', 'bin', 'jupyter'),
    join(root, '.venv', 'Scripts', 'jupyter.exe'),
  ].find((path) => existsSync(path));
  const version = outputOf(ours ?? 'jupyter', ['lab', '--version'])
    ?.split('\n')
    .at(-1);
  line(
    'jupyterlab',
    version
      ? `${version}, ${ours ? 'in .venv' : 'of this machine'}`
      : 'not there yet: npm start installs it',
  );
  const spec = existsSync(
    join(root, '.venv', 'share', 'jupyter', 'kernels', 'tslab', 'kernel.json'),
  );
  const tslab = outputOf(process.execPath, [
    join(root, 'node_modules', 'tslab', 'bin', 'tslab'),
    '--version',
  ]);
  line(
    'tslab',
    tslab
      ? `${tslab}, ${spec ? 'kernel spec in .venv' : 'no kernel spec yet: npm start writes it'}`
      : 'not installed: npm ci',
  );
  console.log('engines, best first:');
  for (const { name, works, ...rest } of await surveyEngines()) {
    const detail = Object.values(rest).filter(Boolean).join(' ');
    line(`  ${name}`, `${works ? 'works' : 'does not work'}: ${detail}`);
  }
}
main().catch((error: Error) => {
  console.error(error.message);
  process.exitCode = 1;
});
