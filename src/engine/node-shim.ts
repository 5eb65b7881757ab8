/**
 * Node 23 removed a few functions from `util` that the native package still calls. Put them back before it loads.
 *
 * `require('util')` is one object shared by all modules, so adding to it here is enough.
 */
import * as util from 'node:util';

const removed = {
  isNullOrUndefined: (x: unknown): boolean => x === null || x === undefined,
  isArray: Array.isArray,
  isString: (x: unknown): boolean => typeof x === 'string',
};

/** Adds what is missing, changes nothing that is there; returns the names added. */
export function restoreUtil(target: Record<string, unknown> = requireUtil()): string[] {
  const missing = Object.entries(removed).filter(([name]) => !(name in target));
  for (const [name, value] of missing) Object.defineProperty(target, name, { value, configurable: true, writable: true });
  return missing.map(([name]) => name);
}
/** The mutable module object; an `import *` namespace is frozen under ES modules. */
function requireUtil(): Record<string, unknown> {
  return ((util as unknown as { default?: object }).default ?? util) as Record<string, unknown>;
}
