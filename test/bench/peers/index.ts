/**
 * Ours against plain PyTorch on the same cores: `npm run bench -- --peers`.
 *
 * The same layer and the same models with the same weights. First both compute something small and
 * must agree, gradients
 * included, so that the same thing is timed; then they take turns. Our wasm engine computes on one
 * thread, so PyTorch's one
 * thread is the fair neighbour; two are shown as well, and are what the native engine, which takes
 * all cores, is held to.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import type { ModelConfig } from '../../../src/models/config';
import { createModel } from '../../../src/models/presets';
import { forms } from '../../../src/retention/index';
import type { EngineName } from '../../../src/support/backends/use-engine';
import { SeededRandom } from '../../../src/tensor/random';
import { saveSafetensors } from '../../../src/weights/safetensors';
import { type StateDict, toStateDict } from '../../../src/weights/state-dict';
import { type Goal, goalsOf, median, type Setting, type TableResult } from '../measure';
import { configsFor, count, GATED, TRANSFORMER } from '../models';
import { Peer } from './process';

const OURS = 'cache-once';
const theirs = (threads: number) => `PyTorch, ${threads} thread${threads > 1 ? 's' : ''}`;
type What = 'retention' | 'prefill' | 'decode';
/**
 * PyTorch's time / ours, at least, and on how many of its threads. Engines without a promise are
 * shown, not judged.
 */
const PROMISED: Partial<Record<EngineName, Record<What, number> & { threads: number }>> = {
  wasm: { retention: 0.5, prefill: 0.5, decode: 1, threads: 1 },
  native: { retention: 1, prefill: 1, decode: 1, threads: 2 },
};
const isCard = (engine: EngineName) => engine === 'gpu' || engine === 'webgpu';
/** Chunk sizes that are fastest where they run: tried from 32 to 256 on each side. */
const CHUNK = { ours: 64, theirs: 64 };

/** One thing that both sides can do. */
export interface Job {
  name: string;
  /** What PyTorch must be told to make the same. */
  request: { what: What } & Record<string, unknown>;
  /** The numbers that both must agree on; the caller frees them. */
  run: () => tf.Tensor[];
  tokens: number;
  dispose: () => void;
}

function retentionJob(folder: string, tokens: number, backward: boolean): Job {
  const random = new SeededRandom(3);
  const four = () => tf.tensor4d(random.normals(4 * tokens * 64), [1, 4, tokens, 64]);
  const inputs = {
    q: four(),
    k: four(),
    v: four(),
    logDecay: tf.tensor3d(random.uniforms(4 * tokens, -0.1, 0), [1, 4, tokens]),
  };
  const file = join(folder, `retention-${tokens}.safetensors`);
  const dict: StateDict = new Map(
    Object.entries(inputs).map(([name, x]) => [
      name,
      { dtype: 'F32', shape: x.shape, data: x.dataSync() as Float32Array },
    ]),
  );
  saveSafetensors(file, dict);
  const forward = (q: tf.Tensor, k: tf.Tensor, v: tf.Tensor, logDecay: tf.Tensor) =>
    forms.chunkwise({ q, k, v, logDecay } as typeof inputs, { chunkSize: CHUNK.ours }).output;
  const gradients = tf.grads((...x: tf.Tensor[]) => forward(x[0], x[1], x[2], x[3]).sum());
  const all = [inputs.q, inputs.k, inputs.v, inputs.logDecay];
  return {
    name: `chunkwise retention, ${backward ? 'forward + backward' : 'forward'}, ${count(tokens)} tokens`,
    request: { what: 'retention', inputs: file, backward, chunk: CHUNK.theirs },
    run: () =>
      tf.tidy(() =>
        backward ? gradients(all) : [forward(inputs.q, inputs.k, inputs.v, inputs.logDecay)],
      ),
    tokens,
    dispose: () => tf.dispose(all),
  };
}

function modelJob(
  folder: string,
  name: string,
  config: ModelConfig,
  what: 'prefill' | 'decode',
  tokens: number,
): Job {
  const model = createModel(config, { seed: 7 });
  const weights = join(folder, `${config.kind}.safetensors`);
  saveSafetensors(weights, toStateDict(model.parameters));
  const ids = Array.from({ length: tokens }, (_, i) => (i * 31 + (i >> 5)) % 256);
  const prompt = tf.tensor2d(ids, [1, tokens], 'int32');
  const held = model.newCache();
  if (what === 'decode') model.prefill(prompt, held).dispose();
  const prefill = () => {
    const cache = model.newCache();
    const logits = model.prefill(prompt, cache);
    cache.dispose();
    return [logits];
  };
  return {
    name: `${name}: ${what === 'prefill' ? 'prefill of' : 'a step behind'} ${count(tokens)} tokens`,
    request: { what, config, weights, ids, chunk: CHUNK.theirs },
    run: what === 'prefill' ? prefill : () => [model.step([ids[0]], held)],
    tokens: what === 'prefill' ? tokens : 1,
    dispose: () => {
      held.dispose();
      model.dispose();
      prompt.dispose();
    },
  };
}

function jobs(folder: string, { small, ...setting }: Setting & { small: boolean }): (() => Job)[] {
  const { quick, large } = setting;
  const configs = configsFor(setting);
  const retention = small ? 128 : quick ? 1024 : 4096;
  const lengths = small ? [128] : quick ? [1024] : large ? [4096, 16_384, 65_536] : [1024, 4096];
  return [
    () => retentionJob(folder, retention, false),
    () => retentionJob(folder, retention, true),
    ...lengths.flatMap((tokens) =>
      [TRANSFORMER, GATED].flatMap((name) =>
        (['prefill', 'decode'] as const).map(
          (what) => () => modelJob(folder, name, configs[name], what, tokens),
        ),
      ),
    ),
  ];
}

/**
 * float32 through eight layers on two engines, of each tensor's largest number: WORST is the worst
 * yet seen.
 */
const ALLOWED = 5e-5;
/** @throws Error naming the job if the two sides do not compute the same. */
export async function compare(peer: Pick<Peer, 'ask'>, job: Job): Promise<void> {
  await peer.ask({ do: 'make', name: job.name, ...job.request });
  const theirTensors = (await peer.ask({ do: 'numbers', name: job.name })).numbers ?? [];
  const made = job.run();
  const ourTensors = made.map((x) => x.dataSync() as Float32Array);
  tf.dispose(made);
  const refuse = (what: string) => {
    throw new Error(
      `${job.name}: PyTorch and ${OURS} ${what}; what is not equal is not compared by the clock.`,
    );
  };
  const sizes = (all: ArrayLike<number>[]) => `[${all.map(({ length }) => length)}]`;
  if (sizes(theirTensors) !== sizes(ourTensors))
    refuse(`give ${sizes(theirTensors)} and ${sizes(ourTensors)} numbers`);
  ourTensors.forEach((ours, i) => {
    const largest = ours.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
    const worst = ours.reduce((most, x, j) => Math.max(most, Math.abs(x - theirTensors[i][j])), 0);
    // a NaN differs too
    if (!(worst <= ALLOWED * largest)) refuse(`differ by ${worst} of ${largest} in tensor ${i}`);
  });
}

async function race(
  peer: Peer,
  job: Job,
  rounds: number,
  threadCounts: readonly number[],
): Promise<TableResult['rows'][number]> {
  await peer.ask({ do: 'make', name: job.name, ...job.request });
  // Both sides take the mean of a turn's runs: a pause to collect garbage is part of the price.
  const ourTurn = (runs: number) => {
    const start = performance.now();
    for (let i = 0; i < runs; i++) tf.dispose(job.run());
    // A card computes after it was asked, in order: the turn is over when something asked for last
    // has been read.
    tf.tidy(() => tf.ones([8]).add(1).dataSync());
    return (performance.now() - start) / runs;
  };
  const theirTurn = async (threads: number, runs: number) =>
    (await peer.ask({ do: 'time', name: job.name, threads, runs })).ms!;
  const warm = Math.min(ourTurn(1), ourTurn(1));
  for (const threads of threadCounts) await theirTurn(threads, 1);
  // A step takes a millisecond: several in a row, or the message back and forth would be half of
  // it.
  const runs = Math.max(1, Math.min(10, Math.round(50 / warm)));
  const times: Record<string, number[]> = {
    [OURS]: [],
    ...Object.fromEntries(threadCounts.map((threads) => [theirs(threads), []])),
  };
  for (let round = 0; round < rounds; round++) {
    times[OURS].push(ourTurn(runs));
    for (const threads of threadCounts) times[theirs(threads)].push(await theirTurn(threads, runs));
  }
  const ours = median(times[OURS]);
  return {
    name: job.name,
    measured: Object.entries(times).map(([rival, all]) => {
      const medianMs = median(all);
      return {
        rival,
        medianMs,
        runs: all.length * runs,
        tokensPerSecond: (1000 * job.tokens) / medianMs,
        ratio: medianMs / ours,
      };
    }),
  };
}

/**
 * @param python an interpreter with PyTorch in it, from `preparePeer`.
 * @throws Error if PyTorch fails, or computes something else.
 */
export async function runPeers(
  python: string,
  setting: Setting,
  say: (line: string) => void,
): Promise<TableResult> {
  // A graphics card is compared with a graphics card, where threads of the processor do not count.
  const onCard = isCard(setting.engine);
  const peer = new Peer(python, onCard ? 'cuda' : 'cpu');
  const folder = mkdtempSync(join(tmpdir(), 'cache-once-peers-'));
  try {
    const { version } = await peer.ask({ do: 'version' });
    for (const make of jobs(folder, { ...setting, small: true })) {
      const job = make();
      await compare(peer, job).finally(() => job.dispose());
    }
    say('Both sides agree on the same weights and inputs.');
    await peer.ask({ do: 'free' });
    const promised = PROMISED[setting.engine];
    const rows: TableResult['rows'] = [];
    const goals: Goal[] = [];
    for (const make of jobs(folder, { ...setting, small: false })) {
      const job = make();
      say(`peers: ${job.name}`);
      rows.push(
        await race(peer, job, setting.quick ? 3 : 7, onCard ? [1] : [1, 2]).finally(() =>
          job.dispose(),
        ),
      );
      await peer.ask({ do: 'free' });
      if (!promised) continue;
      const atLeast = promised[job.request.what];
      goals.push({
        says: `${job.name}: ${theirs(promised.threads)} / ours, at least ${atLeast}`,
        value: (ms) => ms(job.name, theirs(promised.threads)) / ms(job.name, OURS),
        atLeast,
      });
    }
    return {
      name: 'peers',
      title: `Beside plain PyTorch ${version}: ours on ${setting.engine}`,
      note: 'Above 1 in the last column: ours is faster.',
      rows,
      goals: goalsOf({ goals }, rows),
    };
  } finally {
    peer.close();
    rmSync(folder, { recursive: true, force: true });
  }
}
