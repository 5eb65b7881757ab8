/** The private parts of the TensorFlow.js WebGPU backend (4.22.0) that these patches touch. */
import type * as tf from '@tensorflow/tfjs';
import type { GpuBuffer, GpuDevice } from './dawn';

interface HeldData {
  dtype: tf.DataType;
  /** The numbers in this process, if they were never uploaded or have been read back. */
  values: tf.backend_util.BackendValues | null;
  resource?: GpuBuffer | null;
}

export interface WebgpuBackend {
  readonly device: GpuDevice;
  readonly tensorMap: { get(dataId: object): HeldData };
  readonly bufferManager: {
    acquireBuffer(size: number, usage: number): GpuBuffer;
    releaseBuffer(buffer: GpuBuffer): void;
  };
  readonly commandEncoder: {
    copyBufferToBuffer(
      from: GpuBuffer,
      fromByte: number,
      to: GpuBuffer,
      toByte: number,
      bytes: number,
    ): void;
  } | null;
  ensureCommandEncoderReady(): void;
  endComputePassEncoder(): void;
  submitQueue(): void;
  convertAndCacheOnCPU(
    dataId: object,
    values: tf.backend_util.BackendValues,
  ): tf.backend_util.BackendValues;
  readSync(dataId: object): tf.backend_util.BackendValues;
  read(dataId: object): Promise<tf.backend_util.BackendValues>;
  runWebGPUProgram(...args: unknown[]): tf.TensorInfo;
}
