/** What starting an engine returns, and the steps that all of them share. */
import * as tf from '@tensorflow/tfjs';

export interface StartedEngine {
  device: string;
  precision: string;
}

/** Makes `backend` the current one. @throws Error if TensorFlow.js cannot start it. */
export async function startBackend(backend: string): Promise<void> {
  // setBackend may return false, throw, or leave the old backend in place: check the current one.
  const started = await tf.setBackend(backend);
  await tf.ready();
  if (!started || tf.getBackend() !== backend)
    throw new Error(`TensorFlow.js could not start its '${backend}' backend.`);
}

/**
 * Loads a package that may not be installed. The name is a value, not a literal, so that neither
 * the compiler nor a bundler insists on finding it.
 * @throws Error naming the package and what to do.
 */
export async function loadOptional(name: string, advice: string): Promise<Record<string, unknown>> {
  try {
    return (await import(/* @vite-ignore */ name)) as Record<string, unknown>;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const missing = code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND';
    // The package may be there and lack its compiled part: then the error names another file.
    if (missing && message.includes(`'${name}'`))
      throw new Error(`${name} is not installed. ${advice}`);
    throw new Error(`${name} is installed but does not load: ${firstSentence(message)} ${advice}`);
  }
}

/** The text up to the first full stop or line break: a report has one line per engine. */
export function firstSentence(text: string): string {
  const line = text.trim().split('\n')[0];
  return (/^.*?[.!](?=\s|$)/.exec(line)?.[0] ?? line).slice(0, 240);
}
