/**
 * What a graphics card does when it cannot: nothing, silently. Here it becomes an error that says so.
 *
 * WebGPU reports a call that it refuses (a buffer too large for the card, a shader that does not compile) to a listener,
 * later, and goes on: every number that depends on it reads as 0. And a card can be lost: unplugged, reset by its driver
 * after a piece of work that took too long, out of memory. Then nothing is computed any more, and nobody is told.
 * Both are kept here, and thrown by the next operation and the next read.
 */
import type { WebgpuBackend } from './backend';

export class GraphicsCardError extends Error {
  override readonly name = 'GraphicsCardError';
}

const refusals = new WeakMap<WebgpuBackend, GraphicsCardError>();
const losses = new WeakMap<WebgpuBackend, GraphicsCardError>();

const lost = (why: string): GraphicsCardError =>
  new GraphicsCardError(
    `The graphics card of the webgpu engine is lost${why ? ` (${why})` : ''}: what its tensors held is gone. ` +
      'Start the program again, or go on with CACHE_ONCE_ENGINE=wasm. If it happens again, give it less at a time: a smaller batch, shorter pieces.',
  );

/** The first line says what was wrong; Dawn adds where in its own calls. */
const refused = (message: string): GraphicsCardError =>
  new GraphicsCardError(
    `The graphics card refused a piece of work: ${message.trim().split('\n')[0].trim()} ` +
      'Numbers computed since may be 0. Use smaller tensors (a smaller batch, shorter pieces), or CACHE_ONCE_ENGINE=wasm.',
  );

/** Listens from now on. Destroying the device ourselves counts as a loss too: its numbers are gone. */
export function watchDevice(backend: WebgpuBackend): void {
  void backend.device.lost.then(({ message }) =>
    losses.set(backend, lost(message.trim().split('\n')[0])),
  );
  backend.device.addEventListener('uncapturederror', (event) => {
    event.preventDefault(); // it is reported here, not on the console
    if (!refusals.has(backend)) refusals.set(backend, refused(event.error.message)); // the first: what follows follows from it
  });
}

/** @throws GraphicsCardError if something failed on this device. A refusal is told once; a lost card stays lost. */
export function checkDevice(backend: WebgpuBackend): void {
  const failure = losses.get(backend) ?? refusals.get(backend);
  refusals.delete(backend);
  if (failure) throw failure;
}

/** Why a read came to nothing. */
export const lossOf = (backend: WebgpuBackend): GraphicsCardError =>
  losses.get(backend) ?? lost('');
