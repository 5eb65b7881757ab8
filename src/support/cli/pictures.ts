/**
 * `npm run pictures`: draws the pictures in docs/pictures again, which README and the heads of the
 * lessons show. A test holds that the files there are what this draws.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cacheBytes } from '../../costs/memory';
import type { ModelConfig } from '../../models/config';
import { memoryGrowth } from '../figures/memory-growth';
import { yocoBesideTransformer } from '../figures/yoco-beside-transformer';
import { places, youAreHere } from '../figures/you-are-here';
import { root } from '../notebook/python-environment';

export const picturesFolder = join(root, 'docs', 'pictures');

/** The config of a model of lesson 0. */
function configOf(name: string): ModelConfig {
  const card = readFileSync(join(root, 'notebooks', 'models', `${name}.json`), 'utf8');
  return (JSON.parse(card) as { config: ModelConfig }).config;
}

/** File → SVG. */
export function pictures(): Record<string, string> {
  const lengths = [64, 128, 256, 512, 1024];
  const bytesOf = (name: string) =>
    lengths.map((tokens) => cacheBytes(configOf(name), { tokens }).total);
  const memory = memoryGrowth(
    [
      { name: 'Transformer', bytes: bytesOf('transformer') },
      { name: 'YOCO', bytes: bytesOf('yoco') },
    ],
    lengths,
    'Four caches grow four times as fast as one',
  );
  const drawn: Record<string, string> = {
    'memory.svg': memory.svg,
    'yoco-beside-transformer.svg': yocoBesideTransformer().svg,
  };
  for (const lesson of places.keys()) {
    drawn[`here-${String(lesson).padStart(2, '0')}.svg`] = youAreHere(lesson).svg;
  }
  return drawn;
}

if (require.main === module) {
  mkdirSync(picturesFolder, { recursive: true });
  const drawn = Object.entries(pictures());
  for (const [name, svg] of drawn) writeFileSync(join(picturesFolder, name), svg);
  console.log(`${drawn.length} pictures drawn into docs/pictures`);
}
