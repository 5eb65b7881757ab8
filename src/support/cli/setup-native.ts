/**
 * `npm run setup:native`: TensorFlow's C++ library and its addon for Node into .cache/native. To
 * undo it, delete that folder.
 *
 *   1. the addon's package from the npm registry, its scripts not run
 *   2. the library and its headers out of a wheel from the Python registry
 *   3. the addon, compiled against both (ten seconds)
 *
 * Why it must be so: src/support/backends/native/library.ts. With `--gpu` the wheel is the one with
 * CUDA, and NVIDIA's own wheels are fetched with it.
 */
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { ADDON, HEADERS, nativeFolder, TENSORFLOW } from '../backends/native/library';
import { probeEngines } from '../backends/probe';
import { findPython } from '../notebook/python-environment';
import { outputOf, runQuietly } from '../notebook/run-command';
import { installPackages } from './optional-install';

/** Any Python's pip can fetch this wheel: only the library in it is used, which needs no Python. */
const WHEEL_PYTHON = '3.12';
const wheelPlatform: Record<string, string> = {
  x64: 'manylinux_2_27_x86_64',
  arm64: 'manylinux_2_27_aarch64',
};
/** The C library that those wheels were built for, the 2_27 of their names. */
const OLDEST_GLIBC = { major: 2, minor: 27 } as const;
/** What of the wheel is needed: 0.9 of its 1.3 GB. */
const partsOfWheel = [
  'tensorflow/libtensorflow',
  'tensorflow/include/tensorflow/c/',
  'ctstring',
  'tsl_status.h',
];
const unpackScript = `
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
  { compiler, python, glibc }: { compiler?: string; python?: string[]; glibc?: string },
): { compiler: string; python: string[] } {
  if (platform !== 'linux' || !wheelPlatform[arch]) {
    throw new Error(
      `This way needs a Linux wheel for x64 or arm64; here it is ${platform} on ${arch}. Try ` +
        'npm install --no-save @tensorflow/tfjs-node, which brings a library of its own, or ' +
        'stay with wasm.',
    );
  }
  const [major = 0, minor = 0] = (glibc ?? '').split('.').map(Number);
  const isTooOld =
    major < OLDEST_GLIBC.major || (major === OLDEST_GLIBC.major && minor < OLDEST_GLIBC.minor);
  if (isTooOld) {
    const oldest = `${OLDEST_GLIBC.major}.${OLDEST_GLIBC.minor}`;
    throw new Error(
      `TensorFlow's library needs the GNU C library ${oldest} or newer; here it is ` +
        `${glibc ?? 'another one (musl, as on Alpine?)'}. Use a newer system or a container of ` +
        'one (Debian 10, Ubuntu 18.04 and later), or stay with wasm.',
    );
  }
  if (!compiler) {
    throw new Error(
      'There is no C++ compiler (c++, g++ or clang++). On Debian or Ubuntu: ' +
        'sudo apt install g++. Then run this again.',
    );
  }
  if (!python) {
    throw new Error(
      'There is no Python 3.9 or newer to fetch the wheel with. Install python3 with pip, then ' +
        'run this again.',
    );
  }
  return { compiler, python };
}

export const findCompiler = (
  candidates = [process.env.CXX ?? '', 'c++', 'g++', 'clang++'],
): string | undefined =>
  candidates.find((program) => program && outputOf(program, ['--version']) !== undefined);

/**
 * pip's arguments for the library. With CUDA, NVIDIA's wheels belong to it, so pip installs them
 * all side by side.
 */
export function pipArguments(gpu: boolean, folder: string, arch: string): string[] {
  const binary = '--only-binary=:all:';
  if (gpu) {
    const target = ['--target', join(folder, 'library')];
    return ['install', binary, ...target, `tensorflow[and-cuda]==${TENSORFLOW}`];
  }
  const platform = ['--python-version', WHEEL_PYTHON, '--platform', wheelPlatform[arch]];
  const target = ['--dest', join(folder, 'wheel')];
  const wheel = `tensorflow-cpu==${TENSORFLOW}`;
  return ['download', binary, '--no-deps', ...platform, ...target, wheel];
}

/** The compiler's arguments. The addon finds its library beside it, wherever the folder lies. */
export function compilerArguments(folder: string): string[] {
  const addon = join(folder, 'node_modules', ...ADDON.name.split('/'));
  const library = join(folder, 'library', 'tensorflow');
  const fromAddon = '$ORIGIN/../../../../../library/tensorflow';
  return [
    ...['-O2', '-std=c++17', '-fPIC', '-shared', '-w', '-DNAPI_VERSION=8'],
    `-I${join(folder, 'node_modules', HEADERS.name, 'include')}`,
    `-I${addon}`,
    `-I${join(library, 'include')}`,
    join(addon, 'binding', 'tfjs_backend.cc'),
    join(addon, 'binding', 'tfjs_binding.cc'),
    ...['-o', join(addon, 'lib', 'napi-v8', 'tfjs_binding.node')],
    join(library, 'libtensorflow_cc.so.2'),
    join(library, 'libtensorflow_framework.so.2'),
    `-Wl,-rpath,${fromAddon}`,
  ];
}

/** Runs a program and prints how long it took. @throws Error with its last lines and the advice. */
async function step(what: string, [program, ...args]: string[], advice: string): Promise<void> {
  const started = performance.now();
  process.stdout.write(`${what} … `);
  const { code, lines } = await runQuietly(program, args);
  if (code !== 0) {
    console.log('failed');
    throw new Error(`${lines.slice(-12).join('\n')}\n${advice}`);
  }
  console.log(`${((performance.now() - started) / 1000).toFixed(0)} s`);
}

/** The library and its headers into `folder`/library. */
async function fetchLibrary(gpu: boolean, folder: string, python: string[]): Promise<void> {
  rmSync(join(folder, 'library'), { recursive: true, force: true });
  const pip = [...python, '-m', 'pip', '--disable-pip-version-check', '--no-input'];
  const pythons = gpu
    ? ' It needs a Python that this TensorFlow has a wheel for (3.10 to 3.13).'
    : '';
  await step(
    gpu ? 'Fetching TensorFlow with CUDA (5 GB)' : 'Fetching the library (270 MB)',
    [...pip, ...pipArguments(gpu, folder, process.arch)],
    `pip could not fetch TensorFlow ${TENSORFLOW}. Is the network, or your mirror of the Python ` +
      `package index, reachable?${pythons}`,
  );
  if (gpu) return; // pip has unpacked it
  const wheelFolder = join(folder, 'wheel');
  const wheel = join(wheelFolder, readdirSync(wheelFolder)[0]);
  await step(
    'Unpacking what is needed (0.9 GB)',
    [...python, '-c', unpackScript, wheel, join(folder, 'library'), ...partsOfWheel],
    'The wheel could not be unpacked; is the disk full?',
  );
  rmSync(wheelFolder, { recursive: true });
}

async function main(): Promise<void> {
  const program = new Command('npm run setup:native --')
    .description(
      'Makes the engines native and gpu work on this machine; everything goes into .cache/native.',
    )
    .option('--gpu', 'with CUDA: 5 GB to fetch; needs an NVIDIA driver');
  const { gpu = false } = program.parse().opts<{ gpu?: boolean }>();
  const { header } = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  const { compiler, python } = checkMachine(process, {
    compiler: findCompiler(),
    python: findPython().command,
    glibc: header?.glibcVersionRuntime,
  });

  const folder = nativeFolder();
  const library = `TensorFlow ${TENSORFLOW}${gpu ? ' with CUDA' : ''}`;
  console.log(`${ADDON.name} ${ADDON.version} against ${library}, in .cache/native`);
  await installPackages(folder, [ADDON, HEADERS], ['--loglevel=error']);
  // The book's own TensorFlow.js must be the only one (src/support/backends/optional-packages.ts).
  const scope = join(folder, 'node_modules', '@tensorflow');
  for (const name of readdirSync(scope)) {
    if (!ADDON.name.endsWith(`/${name}`)) rmSync(join(scope, name), { recursive: true });
  }
  await fetchLibrary(gpu, folder, python);
  mkdirSync(join(folder, 'node_modules', ADDON.name, 'lib', 'napi-v8'), { recursive: true });
  await step(
    'Compiling the addon',
    [compiler, ...compilerArguments(folder)],
    `${compiler} could not compile the addon; it needs C++17 (g++ 8 or newer).`,
  );

  const findings = await probeEngines();
  const wanted = findings.find(({ name }) => name === (gpu ? 'gpu' : 'native'))!;
  console.log(
    wanted.works
      ? `${wanted.name} works: ${wanted.detail}`
      : `It is built, but ${wanted.name} does not work here yet: ${wanted.detail}`,
  );
  if (!wanted.works) process.exitCode = 1;
}

if (require.main === module) {
  main().catch((error: Error) => {
    console.error(error.message);
    process.exitCode = 1;
  });
}
