/** What npm run setup:native decides, without fetching anything. */
import { describe, expect, it } from 'vitest';
import { prepareEnvironment, TENSORFLOW } from '../../../src/support/backends/native/library';
import {
  checkMachine,
  compilerArguments,
  findCompiler,
  pipArguments,
} from '../../../src/support/cli/setup-native';
import { betweenMarks, parityTable } from '../../../src/support/cli/test-engines';

describe('what is missing is named, with how to get it', () => {
  const linux = { platform: 'linux', arch: 'x64' };
  const all = { compiler: 'g++', python: ['python3'], glibc: '2.36' };
  it.each<[string, { platform: string; arch: string }, Partial<typeof all>, RegExp]>([
    [
      'another system',
      { platform: 'darwin', arch: 'arm64' },
      all,
      /Linux wheel for x64 or arm64; here it is darwin on arm64.*tfjs-node, which brings/,
    ],
    ['another processor', { platform: 'linux', arch: 'ppc64' }, all, /here it is linux on ppc64/],
    [
      'an old C library',
      linux,
      { ...all, glibc: '2.17' },
      /needs the GNU C library 2\.27 or newer; here it is 2\.17/,
    ],
    ['a very old C library', linux, { ...all, glibc: '2.9' }, /here it is 2\.9/],
    ['another C library', linux, { ...all, glibc: undefined }, /here it is another one \(musl/],
    [
      'no compiler',
      linux,
      { ...all, compiler: undefined },
      /no C\+\+ compiler.*sudo apt install g\+\+/,
    ],
    [
      'no Python',
      linux,
      { ...all, python: undefined },
      /no Python 3\.9 or newer to fetch the wheel/,
    ],
  ])('%s', (_, machine, has, message) => {
    expect(() => checkMachine(machine, has)).toThrow(message);
    expect(checkMachine(linux, all)).toEqual({ compiler: 'g++', python: ['python3'] });
  });
  it('the first compiler that answers is taken', () => {
    expect(findCompiler(['', 'no-such-compiler', process.execPath])).toBe(process.execPath);
    expect(findCompiler(['no-such-compiler'])).toBeUndefined();
  });
});

describe('what is fetched', () => {
  it('for the processor: one pinned wheel, whatever this Python is', () => {
    const args = pipArguments(false, '/f', 'arm64').join(' ');
    expect(args).toContain(`tensorflow-cpu==${TENSORFLOW}`);
    expect(args).toMatch(/--no-deps --python-version 3\.12 --platform manylinux_2_27_aarch64/);
  });
  it('with CUDA: NVIDIA’s wheels beside it', () => {
    expect(pipArguments(true, '/f', 'x64')).toEqual(
      expect.arrayContaining(['--target', '/f/library', `tensorflow[and-cuda]==${TENSORFLOW}`]),
    );
  });
  it('the addon finds its library beside itself, and no path of this machine is in it', () => {
    const args = compilerArguments('/f');
    expect(args.at(-1)).toBe('-Wl,-rpath,$ORIGIN/../../../../../library/tensorflow');
    expect(args).toContain(
      '/f/node_modules/@tensorflow/tfjs-node-gpu/lib/napi-v8/tfjs_binding.node',
    );
  });
});

it('the environment is prepared, and what you have set stays', () => {
  const env: NodeJS.ProcessEnv = { NVIDIA_TF32_OVERRIDE: '1' };
  prepareEnvironment(env);
  expect(env).toMatchObject({
    NVIDIA_TF32_OVERRIDE: '1',
    TF_FORCE_GPU_ALLOW_GROWTH: 'true',
    TF_ENABLE_ONEDNN_OPTS: '0',
  });
});

describe('the table of engines', () => {
  const file = (name: string, share: number) => ({
    file: `${name}.safetensors`,
    compared: 10,
    share,
    tensor: 'x',
  });
  const results = [
    {
      engine: 'wasm',
      device: 'd',
      passed: 5,
      failed: [],
      files: [file('ops_a', 0.071), file('ops_b', 0.5)],
    },
    { engine: 'cpu', device: 'd', passed: 4, failed: ['one'], files: [file('ops_a', 0.2)] },
  ];
  it('has a line per file and a column per engine; what was not compared says so', () => {
    expect(parityTable(results)).toContain(
      '| ops_a | 7.1 % | 20 % |\n| ops_b | 50 % | not compared |\n| comparisons | 20 | 10 |',
    );
    expect(parityTable(results)).toContain('| tests failed | 0 | 1 |');
  });
  it('goes between its marks, again and again', () => {
    const document =
      'a\n<!-- parity: written by npm run test:engines -- --write -->\nold\n<!-- /parity -->\nb';
    const once = betweenMarks(document, 'new');
    expect(once).toMatch(/^a\n<!-- parity.*-->\n\nnew\n\n<!-- \/parity -->\nb$/);
    expect(betweenMarks(once, 'new')).toBe(once);
    expect(() => betweenMarks('nothing', 'new')).toThrow(/has lost its marks/);
  });
});
