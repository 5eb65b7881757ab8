/** A package that may be absent: loaded, or the reason in one line and what to do. */
import { createRequire } from 'node:module';
import { join } from 'node:path';

export function optionalRequire(name: string): { loaded?: unknown; why?: string } {
  // Resolved from the project, so that it works in a notebook's kernel too.
  const require = createRequire(join(process.cwd(), 'package.json'));
  try {
    require.resolve(name);
  } catch {
    return { why: `${name} is not installed (optional; npm leaves it out when its download is blocked). Try npm install ${name}.` };
  }
  try {
    return { loaded: require(name) };
  } catch (error) {
    return { why: `${name} is installed, but does not load: ${String((error as Error).message).split('\n')[0]}` };
  }
}
