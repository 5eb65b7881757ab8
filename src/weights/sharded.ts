/**
 * Weights in one file, or in several with an index: large checkpoints are cut into shards.
 *
 *   model.safetensors.index.json        { "weight_map": { tensor: shard, … }, "metadata": … }
 *   model-00001-of-00002.safetensors    the shards, beside the index
 *
 * Source of the format: github.com/huggingface/transformers.
 */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { shownName } from '../tensor/shapes';
import { conversionNote, loadSafetensors, type SafetensorsFile } from './safetensors';
import { isObject, parseStrictJson, type Refuse } from './strict-json';

const ending = '.index.json';

/**
 * All tensors of a `.safetensors` file, or of the shards of an `.index.json`.
 * @throws RangeError naming the file and the tensor or the shard that is missing or stands twice.
 */
export function loadWeights(path: string): SafetensorsFile {
  return path.endsWith(ending) ? loadShards(path) : loadSafetensors(path);
}

function loadShards(indexPath: string): SafetensorsFile {
  const refuse: Refuse = (what) => {
    throw new RangeError(`${indexPath}: ${what}`);
  };
  const shardOf = readIndex(indexPath, refuse);
  const whole: SafetensorsFile = { metadata: {}, tensors: new Map(), storedAs: new Map() };
  for (const shard of new Set(shardOf.values())) {
    const path = join(dirname(indexPath), shard);
    if (!existsSync(path)) refuse(`it names the shard ${shard}, but there is no ${path}.`);
    const { metadata, tensors, storedAs } = loadSafetensors(path);
    Object.assign(whole.metadata, metadata);
    for (const [name, tensor] of tensors) {
      const said = shardOf.get(name);
      if (said === undefined)
        refuse(`${shownName(name)} is in ${shard}, but not in the index; is it of another model?`);
      if (said !== shard)
        refuse(`${shownName(name)} is in ${shard}, but the index places it in ${said}.`);
      whole.tensors.set(name, tensor);
      whole.storedAs.set(name, storedAs.get(name)!);
    }
  }
  for (const [name, shard] of shardOf)
    if (!whole.tensors.has(name))
      refuse(`it places ${shownName(name)} in ${shard}, which has no such tensor.`);
  return { ...whole, note: conversionNote(indexPath, whole.storedAs) };
}

/** Tensor → the file name of its shard. */
function readIndex(path: string, refuse: Refuse): Map<string, string> {
  const index = parseStrictJson(readFileSync(path, 'utf8'), 8, refuse);
  const map = isObject(index) ? index.weight_map : undefined;
  if (!isObject(map)) return refuse('there is no weight_map; give an object of file names.');
  const shardOf = new Map<string, string>();
  for (const [name, shard] of Object.entries(map)) {
    // A shard lies beside its index; a path could lead anywhere.
    if (typeof shard !== 'string' || !/^[^/\\]+\.safetensors$/.test(shard))
      refuse(
        `weight_map places ${shownName(name)} in ${shownName(String(shard))}; give the name of a ` +
          '.safetensors file in the same folder.',
      );
    shardOf.set(name, shard as string);
  }
  if (shardOf.size === 0) refuse('weight_map is empty; it names the shard of each tensor.');
  return shardOf;
}
