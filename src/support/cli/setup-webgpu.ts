/**
 * `npm run setup:webgpu`: the two packages of the webgpu engine into .cache/webgpu. To undo it,
 * delete that folder.
 */
import { probeEngines } from '../backends/probe';
import { BACKEND, DAWN, webgpuFolder } from '../backends/webgpu/packages';
import { installPackages } from './optional-install';

async function main(): Promise<void> {
  const folder = webgpuFolder();
  console.log(`Installing Dawn and the WebGPU backend into ${folder} (about 200 MB) …`);
  await installPackages(folder, [DAWN, BACKEND]);
  const findings = await probeEngines();
  const webgpu = findings.find(({ name }) => name === 'webgpu')!;
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
