/**
 * Errors of a graphics card, thrown. By itself it fails silently.
 *
 * WebGPU reports a call that it refuses (a buffer too large for the card, a shader that does not
 * compile) to a listener, later, and goes on: every number that depends on it reads as 0. And a
 * card can be lost: unplugged, reset by its driver after work that took too long, out of memory.
 * Then nothing is computed any more, and no error is thrown. Both are recorded here, and thrown by
 * the next operation and the next read.
 */
import type { WebgpuBackend } from './backend';

export class GraphicsCardError extends Error {
  override readonly name = 'GraphicsCardError';
}

const refusals = new WeakMap<WebgpuBackend, GraphicsCardError>();
const losses = new WeakMap<WebgpuBackend, GraphicsCardError>();

/** The first line says what was wrong; Dawn adds where in its own calls. */
const firstLine = (message: string): string => message.trim().split('\n')[0].trim();

function lostError(why: string): GraphicsCardError {
  const reason = why ? ` (${why})` : '';
  return new GraphicsCardError(
    `The graphics card of the webgpu engine is lost${reason}: what its tensors held is gone. ` +
      'Start the program again, or go on with CACHE_ONCE_ENGINE=wasm. If it happens again, ' +
      'compute less at a time: a smaller batch, shorter chunks.',
  );
}

function refusedError(message: string): GraphicsCardError {
  return new GraphicsCardError(
    `The graphics card refused an operation: ${firstLine(message)} ` +
      'Numbers computed since may be 0. ' +
      'Use smaller tensors (a smaller batch, shorter chunks), or CACHE_ONCE_ENGINE=wasm.',
  );
}

/** Records errors from now on. Destroying the device ourselves is a loss too: its data is gone. */
export function watchDevice(backend: WebgpuBackend): void {
  void backend.device.lost.then(({ message }) =>
    losses.set(backend, lostError(firstLine(message))),
  );
  backend.device.addEventListener('uncapturederror', (event) => {
    event.preventDefault(); // it is reported here, not on the console
    // Only the first is kept: later ones are consequences of it.
    if (!refusals.has(backend)) refusals.set(backend, refusedError(event.error.message));
  });
}

/**
 * @throws GraphicsCardError if something failed on this device: a refusal is thrown once, a loss
 * every time.
 */
export function checkDevice(backend: WebgpuBackend): void {
  const failure = losses.get(backend) ?? refusals.get(backend);
  refusals.delete(backend);
  if (failure) throw failure;
}

/** Why a read failed. */
export const lossOf = (backend: WebgpuBackend): GraphicsCardError =>
  losses.get(backend) ?? lostError('');
