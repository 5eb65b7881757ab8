/**
 * Ours against plain PyTorch on the same cores: `npm run bench -- --peers`.
 *
 * The same layer and the same models with the same weights. First both compute something small and must agree, so that the
 * same thing is timed; then they take turns. Our wasm engine computes on one thread, so PyTorch's one thread is the fair
 * neighbour; two are shown as well.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { SeededRandom } from '../../../src/engine/random';
import type { ModelConfig } from '../../../src/models/config';
import { createModel } from '../../../src/models/create-model';
import { saveSafetensors } from '../../../src/models/safetensors';
import type { StateDict } from '../../../src/models/state-dict';
import { forms } from '../../../src/retention/index';
import { type Goal, goalsOf, median, type Setting, type TableResult } from '../measure';
import { configsFor, count, GATED, TRANSFORMER } from '../models';
import { Peer, preparePeer } from './process';

const OURS = 'cache-once';
const THREADS = [1, 2];
const theirs = (threads: number) => `PyTorch, ${threads} thread${threads > 1 ? 's' : ''}`;
/** Chunk sizes that are fastest where they run: tried from 32 to 256 on each side. */
const CHUNK = { ours: 64, theirs: 64 };

/** One thing that both sides can do. */
interface Job {
  name: string;
  /** What PyTorch must be told to make the same. */
  request: object;
  run: () => tf.Tensor;
  tokens: number;
  /** PyTorch's time / ours on wasm, at least. */
  goal: number;
  dispose: () => void;
}

function retentionJob(folder: string, tokens: number, backward: boolean): Job {
  const random = new SeededRandom(3);
  const four = () => tf.tensor4d(random.normals(4 * tokens * 64), [1, 4, tokens, 64]);
  const inputs = { q: four(), k: four(), v: four(), logDecay: tf.tensor3d(random.uniforms(4 * tokens, -0.1, 0), [1, 4, tokens]) };
  const file = join(folder, `retention-${tokens}.safetensors`);
  const dict: StateDict = new Map(
    Object.entries(inputs).map(([name, x]) => [name, { dtype: 'F32', shape: x.shape, data: x.dataSync() as Float32Array }]),
  );
  saveSafetensors(file, dict);
  const forward = (q: tf.Tensor, k: tf.Tensor, v: tf.Tensor, logDecay: tf.Tensor) =>
    forms.chunkwise({ q, k, v, logDecay } as typeof inputs, { chunkSize: CHUNK.ours }).output;
  const gradients = tf.grads((...x: tf.Tensor[]) => forward(x[0]!, x[1]!, x[2]!, x[3]!).sum());
  const all = [inputs.q, inputs.k, inputs.v, inputs.logDecay];
  return {
    name: `chunkwise retention, ${backward ? 'forward + backward' : 'forward'}, ${count(tokens)} tokens`,
    request: { what: 'retention', inputs: file, backward, chunk: CHUNK.theirs },
    run: () => (backward ? tf.tidy(() => gradients(all)[0]!) : tf.tidy(() => forward(inputs.q, inputs.k, inputs.v, inputs.logDecay))),
    ...{ tokens, goal: 0.5 },
    dispose: () => tf.dispose(all),
  };
}

function modelJob(folder: string, name: string, config: ModelConfig, what: 'prefill' | 'decode', tokens: number): Job {
  const model = createModel(config, { seed: 7 });
  const weights = join(folder, `${config.kind}.safetensors`);
  saveSafetensors(weights, model.stateDict());
  const ids = Array.from({ length: tokens }, (_, i) => (i * 31 + (i >> 5)) % 256);
  const prompt = tf.tensor2d(ids, [1, tokens], 'int32');
  const held = model.newCache();
  if (what === 'decode') model.prefill(prompt, held).dispose();
  const prefill = () => {
    const cache = model.newCache();
    const logits = model.prefill(prompt, cache);
    cache.dispose();
    return logits;
  };
  return {
    name: `${name}: ${what === 'prefill' ? `prefill of ${count(tokens)} tokens` : `a step behind ${count(tokens)} tokens`}`,
    request: { what, config, weights, ids, chunk: CHUNK.theirs },
    run: what === 'prefill' ? prefill : () => model.step([ids[0]!], held),
    ...{ tokens: what === 'prefill' ? tokens : 1, goal: what === 'prefill' ? 0.5 : 1 },
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
        (['prefill', 'decode'] as const).map((what) => () => modelJob(folder, name, configs[name]!, what, tokens)),
      ),
    ),
  ];
}

/** float32 through eight layers on two engines: 3e-6 of the largest number is the worst yet seen. */
const ALLOWED = 5e-5;
async function compare(peer: Peer, job: Job): Promise<void> {
  await peer.ask({ do: 'make', name: job.name, ...job.request });
  const theirNumbers = (await peer.ask({ do: 'numbers', name: job.name })).numbers!;
  const mine = job.run();
  const ourNumbers = mine.dataSync() as Float32Array;
  mine.dispose();
  const largest = ourNumbers.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  const worst = theirNumbers.reduce((most, x, i) => Math.max(most, Math.abs(x - ourNumbers[i]!)), 0);
  if (theirNumbers.length !== ourNumbers.length || !(worst <= ALLOWED * largest))
    throw new Error(`${job.name}: PyTorch and ${OURS} differ by ${worst} of ${largest}; what is not equal is not compared by the clock.`);
}

async function race(peer: Peer, job: Job, rounds: number): Promise<TableResult['rows'][number]> {
  await peer.ask({ do: 'make', name: job.name, ...job.request });
  const once = () => {
    const start = performance.now();
    job.run().dispose();
    return performance.now() - start;
  };
  const theirOnce = async (threads: number, runs: number) => (await peer.ask({ do: 'time', name: job.name, threads, runs })).ms!;
  const warm = Math.min(once(), once());
  for (const threads of THREADS) await theirOnce(threads, 1);
  // A step takes a millisecond: several in a row, or the message back and forth would be half of it.
  const runs = Math.max(1, Math.min(10, Math.round(50 / warm)));
  const times: Record<string, number[]> = { [OURS]: [], ...Object.fromEntries(THREADS.map((threads) => [theirs(threads), []])) };
  for (let round = 0; round < rounds; round++) {
    times[OURS]!.push(median(Array.from({ length: runs }, once)));
    for (const threads of THREADS) times[theirs(threads)]!.push(await theirOnce(threads, runs));
  }
  const ours = median(times[OURS]!);
  return {
    name: job.name,
    measured: Object.entries(times).map(([rival, all]) => {
      const medianMs = median(all);
      return { rival, medianMs, runs: all.length * runs, tokensPerSecond: (1000 * job.tokens) / medianMs, ratio: medianMs / ours };
    }),
  };
}

/** @throws Error if PyTorch cannot be had, or computes something else. */
export async function runPeers(setting: Setting, say: (line: string) => void): Promise<TableResult> {
  // A graphics card is compared with a graphics card.
  const onCard = ['gpu', 'webgpu'].includes(setting.engine);
  const peer = new Peer(await preparePeer(say), onCard ? 'cuda' : 'cpu');
  const folder = mkdtempSync(join(tmpdir(), 'cache-once-peers-'));
  try {
    const { version } = await peer.ask({ do: 'version' });
    for (const make of jobs(folder, { ...setting, small: true })) {
      const job = make();
      await compare(peer, job).finally(() => job.dispose());
    }
    say('Both sides agree on the same weights and inputs.');
    await peer.ask({ do: 'free' });
    const rows: TableResult['rows'] = [];
    const goals: Goal[] = [];
    for (const make of jobs(folder, { ...setting, small: false })) {
      const job = make();
      say(`peers: ${job.name}`);
      rows.push(await race(peer, job, setting.quick ? 3 : 7).finally(() => job.dispose()));
      await peer.ask({ do: 'free' });
      goals.push({
        says: `${job.name}: ${theirs(1)} / ours, at least ${job.goal}`,
        value: (ms) => ms(job.name, theirs(1)) / ms(job.name, OURS),
        atLeast: job.goal,
      });
    }
    const table = { name: 'peers', title: `Beside plain PyTorch ${version}`, rows: () => [], goals };
    return { name: table.name, title: table.title, note: 'Above 1 in the last column: ours is faster.', rows, goals: goalsOf(table, rows) };
  } finally {
    peer.close();
    rmSync(folder, { recursive: true, force: true });
  }
}
