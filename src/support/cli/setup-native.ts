/**
 * `npm run setup:native`: TensorFlow's C++ library and its addon for Node into .cache/native. To undo it, delete that folder.
 *
 *   1. the addon's package from the npm registry, its scripts not run
 *   2. the library and its headers out of a wheel from the Python registry
 *   3. the addon, compiled against both (ten seconds)
 *
 * Why it must be so: src/support/backends/native/library.ts. With `--gpu` the wheel is the one with CUDA, and NVIDIA's own wheels come
 * with it.
 */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { ADDON, HEADERS, nativeFolder, TENSORFLOW } from '../backends/native/library';
import { npmArguments } from '../backends/optional-packages';
import { surveyEngines } from '../backends/probe';
import { findPython } from '../notebook/python-environment';
import { outputOf, runNpm, runQuietly } from '../notebook/run-command';

/** Any Python's pip can fetch this wheel: only the library in it is used, which does not know Python. */
const WHEEL_PYTHON = '3.12';
const wheelPlatform: Record<string, string> = {
  x64: 'manylinux_2_27_x86_64',
  arm64: 'manylinux_2_27_aarch64',
};
/** The C library those wheels were built for, which is the 2_27 of their names. */
const OLDEST_GLIBC = [2, 27] as const;
/** What of the wheel is needed: 0.9 of its 1.3 GB. */
const partsOfWheel = [
  'tensorflow/libtensorflow',
  'tensorflow/include/tensorflow/c/',
  'ctstring',
  'tsl_status.h',
];
const unpack = `
import sys, zipfile
wheel, folder, parts = sys.argv[1], sys.argv[2], sys.argv[3:]
with zipfile.ZipFile(wheel) as archive:
    for name in archive.namelist():
        if any(part in name for part in parts):
            archive.extract(name, folder)
`;

/** @throws Error with what is missing on this machine and how to get it. */
export function checkMachine(
  { platform, arch }: { platform: string; arch: string },
  has: { compiler?: string; python?: string[]; glibc?: string },
): { compiler: string; python: string[] } {
  if (platform !== 'linux' || !wheelPlatform[arch])
    throw new Error(
      `This way leads through a Linux wheel for x64 or arm64; here it is ${platform} on ${arch}. ` +
        'Try npm install --no-save @tensorflow/tfjs-node, which brings a library of its own, or stay with wasm.',
    );
  const [major = 0, minor = 0] = (has.glibc ?? '').split('.').map(Number);
  if (major < OLDEST_GLIBC[0] || (major === OLDEST_GLIBC[0] && minor < OLDEST_GLIBC[1]))
    throw new Error(
      `TensorFlow's library needs the GNU C library ${OLDEST_GLIBC.join('.')} or newer; here it is ${has.glibc ?? 'another one (musl, as on Alpine?)'}. ` +
        'Use a newer system or a container of one (Debian 10, Ubuntu 18.04 and later), or stay with wasm.',
    );
  if (!has.compiler)
    throw new Error(
      'There is no C++ compiler (c++, g++ or clang++). On Debian or Ubuntu: sudo apt install g++. Then run this again.',
    );
  if (!has.python)
    throw new Error(
      'There is no Python 3.9 or newer to fetch the wheel with. Install python3 with pip, then run this again.',
    );
  return { compiler: has.compiler, python: has.python };
}
export const findCompiler = (
  candidates = [process.env.CXX ?? '', 'c++', 'g++', 'clang++'],
): string | undefined =>
  candidates.find((program) => program && outputOf(program, ['--version']) !== undefined);

/** pip's arguments for the library. With CUDA, NVIDIA's wheels belong to it, so pip installs them all side by side. */
export function pipArguments(gpu: boolean, folder: string, arch: string): string[] {
  if (gpu)
    return [
      'install',
      '--only-binary=:all:',
      '--target',
      join(folder, 'library'),
      `tensorflow[and-cuda]==${TENSORFLOW}`,
    ];
  const wheel = [
    '--only-binary=:all:',
    '--no-deps',
    '--python-version',
    WHEEL_PYTHON,
    '--platform',
    wheelPlatform[arch],
  ];
  return ['download', ...wheel, '--dest', join(folder, 'wheel'), `tensorflow-cpu==${TENSORFLOW}`];
}

/** The compiler's arguments. The addon finds its library beside it, wherever the repository lies. */
export function compilerArguments(folder: string): string[] {
  const addon = join(folder, 'node_modules', ...ADDON.name.split('/'));
  const library = join(folder, 'library', 'tensorflow');
  const fromAddon = '$ORIGIN/../../../../../library/tensorflow';
  return [
    ...['-O2', '-std=c++17', '-fPIC', '-shared', '-w', '-DNAPI_VERSION=8'],
    ...[join(folder, 'node_modules', HEADERS.name, 'include'), addon, join(library, 'include')].map(
      (path) => `-I${path}`,
    ),
    ...['tfjs_backend.cc', 'tfjs_binding.cc'].map((file) => join(addon, 'binding', file)),
    ...['-o', join(addon, 'lib', 'napi-v8', 'tfjs_binding.node')],
    ...['libtensorflow_cc.so.2', 'libtensorflow_framework.so.2'].map((file) => join(library, file)),
    `-Wl,-rpath,${fromAddon}`,
  ];
}

async function step(
  what: string,
  run: () => Promise<{ code: number; lines: string[] }>,
  advice: string,
): Promise<void> {
  const started = performance.now();
  process.stdout.write(`${what} … `);
  const { code, lines } = await run();
  if (code !== 0) {
    console.log('failed');
    throw new Error(`${lines.slice(-12).join('\n')}\n${advice}`);
  }
  console.log(`${((performance.now() - started) / 1000).toFixed(0)} s`);
}

async function main(): Promise<void> {
  const { gpu = false } = new Command('npm run setup:native --')
    .description(
      'Makes the engines native and gpu work on this machine; everything goes into .cache/native.',
    )
    .option('--gpu', 'with CUDA: 5 GB to fetch; needs an NVIDIA driver')
    .parse()
    .opts<{ gpu?: boolean }>();
  const { header } = process.report.getReport() as unknown as {
    header: { glibcVersionRuntime?: string };
  };
  const { compiler, python } = checkMachine(process, {
    compiler: findCompiler(),
    python: findPython().command,
    glibc: header.glibcVersionRuntime,
  });
  const [interpreter, ...before] = python as [string, ...string[]];
  const folder = nativeFolder();
  const pip = (args: string[]) =>
    runQuietly(
      interpreter,
      [...before, '-m', 'pip', '--disable-pip-version-check', '--no-input', ...args],
      () => undefined,
    );

  mkdirSync(folder, { recursive: true });
  // A manifest of its own, so that npm takes this folder for the project and leaves the book's alone.
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n');
  console.log(
    `${ADDON.name} ${ADDON.version} against TensorFlow ${TENSORFLOW}${gpu ? ' with CUDA' : ''}, in .cache/native`,
  );
  if ((await runNpm([...npmArguments(folder, [ADDON, HEADERS]), '--loglevel=error'])) !== 0)
    throw new Error(
      'npm could not fetch the addon. Its words are above; the engine wasm works without.',
    );
  // The book's own TensorFlow.js must be the only one (src/support/backends/optional-packages.ts).
  const scope = join(folder, 'node_modules', '@tensorflow');
  for (const name of readdirSync(scope))
    if (!ADDON.name.endsWith(`/${name}`)) rmSync(join(scope, name), { recursive: true });

  rmSync(join(folder, 'library'), { recursive: true, force: true });
  await step(
    gpu ? 'Fetching TensorFlow with CUDA (5 GB)' : 'Fetching the library (270 MB)',
    () => pip(pipArguments(gpu, folder, process.arch)),
    `pip could not fetch TensorFlow ${TENSORFLOW}. Is the network, or your mirror of the Python package index, reachable?${gpu ? ` It needs a Python that this TensorFlow has a wheel for (3.10 to 3.13).` : ''}`,
  );
  if (!gpu) {
    const wheel = join(folder, 'wheel', readdirSync(join(folder, 'wheel'))[0]);
    await step(
      'Taking out what is needed (0.9 GB)',
      () =>
        runQuietly(
          interpreter,
          [...before, '-c', unpack, wheel, join(folder, 'library'), ...partsOfWheel],
          () => undefined,
        ),
      'The wheel could not be unpacked; is the disk full?',
    );
    rmSync(join(folder, 'wheel'), { recursive: true });
  }
  mkdirSync(join(scope, ADDON.name.split('/')[1], 'lib', 'napi-v8'), { recursive: true });
  await step(
    'Compiling the addon',
    () => runQuietly(compiler, compilerArguments(folder), () => undefined),
    `${compiler} could not compile the addon; it needs C++17 (g++ 8 or newer).`,
  );

  const survey = await surveyEngines();
  const wanted = survey.find(({ name }) => name === (gpu ? 'gpu' : 'native'))!;
  console.log(
    wanted.works
      ? `${wanted.name} works: ${wanted.detail}`
      : `It is built, but ${wanted.name} does not work here yet: ${wanted.detail}`,
  );
  if (!wanted.works) process.exitCode = 1;
}

if (require.main === module)
  main().catch((error: Error) => {
    console.error(error.message);
    process.exitCode = 1;
  });
