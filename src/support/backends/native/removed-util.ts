/**
 * Node 23 removed a few old functions from its module `util` (util.isNullOrUndefined and its
 * siblings), which the native TensorFlow.js package still calls while computing. Each is one line:
 * they are put back before that package loads.
 */
const removed: Record<string, (x: unknown) => boolean> = {
  isNullOrUndefined: (x) => x === null || x === undefined,
  isNull: (x) => x === null,
  isUndefined: (x) => x === undefined,
  isArray: (x) => Array.isArray(x),
  isBoolean: (x) => typeof x === 'boolean',
  isNumber: (x) => typeof x === 'number',
  isString: (x) => typeof x === 'string',
  isFunction: (x) => typeof x === 'function',
  isObject: (x) => x !== null && typeof x === 'object',
};

/**
 * Adds to `util` (the object that `require('util')` returns) what is missing there; what Node
 * still has stays as it is. Returns the names added.
 */
export async function restoreRemovedUtil(target?: Record<string, unknown>): Promise<string[]> {
  const loaded = (await import('node:util')) as unknown as { default: Record<string, unknown> };
  const util = target ?? loaded.default;
  const missing = Object.keys(removed).filter((name) => typeof util[name] !== 'function');
  for (const name of missing) util[name] = removed[name];
  return missing;
}
