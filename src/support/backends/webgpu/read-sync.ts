/**
 * `dataSync` on a graphics card: the stock `read`, with its one `await` replaced by waiting (event-loop.ts).
 *
 * The numbers are copied into a buffer that both sides may see, the queue is sent off, and the copy is mapped. Each read
 * drains the queue, as it would on any card: code that wants speed reads rarely.
 */
import * as tf from '@tensorflow/tfjs';
import type { WebgpuBackend } from './backend';
import { lossOf } from './device-errors';
import { waitFor } from './event-loop';

/** WebGPU's numbers for: may be mapped for reading, may be copied into. */
const MAP_READ = 1;
const COPY_DST = 8;

export function readSync(backend: WebgpuBackend, dataId: object): tf.backend_util.BackendValues {
  const held = backend.tensorMap.get(dataId);
  if (held.values != null || held.dtype === 'string') return held.values!;
  const { size } = held.resource!;
  const staging = backend.bufferManager.acquireBuffer(size, COPY_DST | MAP_READ);
  backend.ensureCommandEncoderReady();
  backend.endComputePassEncoder();
  backend.commandEncoder!.copyBufferToBuffer(held.resource!, 0, staging, 0, size);
  backend.submitQueue();
  staging.mapAsync(MAP_READ).catch(() => undefined); // a failure shows in mapState
  waitFor(() => staging.mapState !== 'pending');
  if (staging.mapState !== 'mapped') throw lossOf(backend);
  const bytes = staging.getMappedRange().slice(0);
  staging.unmap();
  backend.bufferManager.releaseBuffer(staging);
  return backend.convertAndCacheOnCPU(
    dataId,
    tf.util.convertBackendValuesAndArrayBuffer(bytes, held.dtype),
  );
}
