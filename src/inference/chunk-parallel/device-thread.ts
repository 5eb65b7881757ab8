/** A device in a thread of its own: takes shares of work, answers each with what it did or with what went wrong. */
import { parentPort, workerData } from 'node:worker_threads';
import type { YocoConfig } from '../../models/config';
import { type EngineName, useEngine } from '../../support/backends/use-engine';
import type { StateDict } from '../../weights/state-dict';
import type { Wire } from './channels';
import { ChunkDevice, type Done, type Share } from './device';

export interface DeviceSetup {
  config: YocoConfig;
  weights: StateDict;
  engine: EngineName;
  before: Wire[];
  after: Wire[];
}
export type Order = { do: 'share'; share: Share } | { do: 'stop' };
export type Answer =
  | { ready: true }
  | { done: Done }
  | { error: { message: string; stack?: string } };

async function main(setup: DeviceSetup): Promise<void> {
  await useEngine(setup.engine);
  const device = new ChunkDevice(setup.config, setup.weights);
  parentPort!.on('message', (order: Order) => {
    if (order.do === 'stop') {
      device.dispose();
      parentPort!.close(); // nothing is left to wait for: the thread ends by itself
      return;
    }
    try {
      answer({ done: device.run(order.share, setup) });
    } catch (error) {
      answer(failure(error));
    }
  });
  answer({ ready: true });
}
const answer = (what: Answer): void => parentPort!.postMessage(what);
const failure = (error: unknown): Answer => ({
  error:
    error instanceof Error
      ? { message: error.message, stack: error.stack }
      : { message: String(error) },
});

if (parentPort) main(workerData as DeviceSetup).catch((error: unknown) => answer(failure(error)));
