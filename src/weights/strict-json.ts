/**
 * JSON from a file that may be hostile. `JSON.parse` alone keeps the last of two entries with one
 * name and says nothing, and it follows brackets to any depth.
 */
import { shownName } from '../tensor/shapes';

/** Says what is wrong with a file; it throws. */
export type Refuse = (what: string) => never;

export const isObject = (x: unknown): x is Record<string, unknown> =>
  typeof x === 'object' && x !== null && !Array.isArray(x);

/** @throws what `refuse` throws: no JSON, a name that stands twice, or deeper than `maxDepth`. */
export function parseStrictJson(text: string, maxDepth: number, refuse: Refuse): unknown {
  checkStructure(text, maxDepth, refuse);
  try {
    return JSON.parse(text);
  } catch (error) {
    return refuse(`this is not JSON (${(error as Error).message}).`);
  }
}

/** One pass over the text, without recursion. What is no JSON at all is left to `JSON.parse`. */
function checkStructure(text: string, maxDepth: number, refuse: Refuse): void {
  const open: (Set<string> | undefined)[] = []; // for each open { its names so far
  let before = ''; // the last of { [ , : that was passed
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (c === '"') {
      const end = endOfString(text, i);
      const names = open.at(-1);
      if (names && before !== ':') {
        const name = decoded(text.slice(i, end + 1));
        if (names.has(name)) refuse(`${shownName(name)} stands twice; which one is meant?`);
        names.add(name);
      }
      i = end;
    } else if (c === '{' || c === '[') {
      open.push(c === '{' ? new Set() : undefined);
      if (open.length > maxDepth)
        refuse(`brackets are nested more than ${maxDepth} deep at character ${i}.`);
    } else if (c === '}' || c === ']') open.pop();
    if (c === '{' || c === '[' || c === ',' || c === ':') before = c;
  }
}

/** Where the string that begins at `start` has its closing quote. */
function endOfString(text: string, start: number): number {
  let i = start + 1;
  while (i < text.length && text[i] !== '"') i += text[i] === '\\' ? 2 : 1;
  return i;
}

/** "a" and "\u0061" are one name. */
function decoded(literal: string): string {
  try {
    return JSON.parse(literal);
  } catch {
    return literal;
  }
}
