/**
 * `dataSync` on a graphics card: upstream's `read`, with its one `await` replaced by waiting
 * (event-loop.ts).
 *
 * The numbers are copied into a buffer that this process can map, the queue is submitted, and the
 * copy is mapped. Each read waits for all queued work, as on any card: fast code reads rarely.
 */
import * as tf from '@tensorflow/tfjs';
import type { WebgpuBackend } from './backend';
import { lossOf } from './device-errors';
import { waitFor } from './event-loop';

// GPUMapMode.READ and GPUBufferUsage.MAP_READ are both 1; GPUBufferUsage.COPY_DST is 8.
const MAP_READ = 1;
const COPY_DST = 8;

export function readSync(backend: WebgpuBackend, dataId: object): tf.backend_util.BackendValues {
  const held = backend.tensorMap.get(dataId);
  if (held.values != null || held.dtype === 'string') return held.values!;
  const source = held.resource!;
  const staging = backend.bufferManager.acquireBuffer(source.size, COPY_DST | MAP_READ);
  backend.ensureCommandEncoderReady();
  backend.endComputePassEncoder();
  backend.commandEncoder!.copyBufferToBuffer(source, 0, staging, 0, source.size);
  backend.submitQueue();
  staging.mapAsync(MAP_READ).catch(() => undefined); // a failure shows in mapState
  waitFor(() => staging.mapState !== 'pending');
  if (staging.mapState !== 'mapped') throw lossOf(backend);
  const bytes = staging.getMappedRange().slice(0);
  staging.unmap();
  backend.bufferManager.releaseBuffer(staging);
  const values = tf.util.convertBackendValuesAndArrayBuffer(bytes, held.dtype);
  return backend.convertAndCacheOnCPU(dataId, values);
}
