/** `npm run setup:webgpu`: the two packages of the webgpu engine into .cache/webgpu. To undo it, delete that folder. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { npmArguments } from '../backends/optional-packages';
import { surveyEngines } from '../backends/probe';
import { BACKEND, DAWN, webgpuFolder } from '../backends/webgpu/packages';
import { runNpm } from '../notebook/run-command';

async function main(): Promise<void> {
  const folder = webgpuFolder();
  mkdirSync(folder, { recursive: true });
  // A manifest of its own, so that npm takes this folder for the project and leaves the book's alone.
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n');
  console.log(`Installing Dawn and the WebGPU backend into ${folder} (about 200 MB) …`);
  const code = await runNpm(npmArguments(folder, [DAWN, BACKEND]));
  if (code !== 0)
    throw new Error(
      'npm could not install them. Its words are above; the engine wasm works without.',
    );
  const webgpu = (await surveyEngines()).find(({ name }) => name === 'webgpu')!;
  console.log(
    webgpu.works
      ? `webgpu works: ${webgpu.detail}`
      : `They are installed, but webgpu does not work here yet: ${webgpu.detail}`,
  );
}

main().catch((error: Error) => {
  console.error(error.message);
  process.exitCode = 1;
});
