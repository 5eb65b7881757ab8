/** What starting an engine gives back, and the small steps that all of them share. */
import * as tf from '@tensorflow/tfjs';

export interface Started {
  device: string;
  precision: string;
}

/** Makes `backend` the current one. @throws Error if TensorFlow.js cannot start it. */
export async function takeBackend(backend: string): Promise<void> {
  // setBackend answers false, or throws, or leaves the old one in place: only what is current afterwards counts.
  const started = await tf.setBackend(backend);
  await tf.ready();
  if (!started || tf.getBackend() !== backend)
    throw new Error(`TensorFlow.js could not start its '${backend}' backend.`);
}

/**
 * Loads a package that may not be installed. The name is a value, not a literal, so that neither the compiler nor a bundler
 * insists on finding it. @throws Error naming the package and what to do.
 */
export async function loadOptional(name: string, advice: string): Promise<Record<string, unknown>> {
  try {
    return (await import(/* @vite-ignore */ name)) as Record<string, unknown>;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const missing = code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND';
    // The package may be there and lack its compiled part: then its own first line says so.
    if (missing && message.includes(`'${name}'`))
      throw new Error(`${name} is not installed. ${advice}`);
    throw new Error(`${name} is installed but does not load: ${firstSentence(message)} ${advice}`);
  }
}

/** A report has one line per engine: up to the first full stop or line break. */
export function firstSentence(text: string): string {
  const line = text.trim().split('\n')[0];
  return (/^.*?[.!](?=\s|$)/.exec(line)?.[0] ?? line).slice(0, 240);
}
