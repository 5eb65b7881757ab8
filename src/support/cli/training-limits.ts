/** What a training run cannot do here, said before its first step. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { totalmem } from 'node:os';
import { dirname } from 'node:path';
import { GiB, parameterCount } from '../../costs/memory';
import { configOf, type Recipe } from '../../training/recipe';
import type { EngineName } from '../backends/use-engine';

/** @throws RangeError if the folder of these files cannot be written. */
export function checkWritable(stem: string): void {
  const probe = `${stem}.writing`;
  try {
    mkdirSync(dirname(stem), { recursive: true });
    writeFileSync(probe, '');
    rmSync(probe);
  } catch (error) {
    throw new RangeError(
      `${dirname(stem)} cannot be written: ${(error as Error).message}. Give another --out.`,
    );
  }
}

/** Bytes that an engine can hold; wasm's heap ends there, whatever the machine has. */
export const memoryOf = (engine: EngineName): number => (engine === 'wasm' ? 3 * GiB : totalmem());

/**
 * Refuses what cannot fit, by a lower bound in float32:
 *
 *   weights   4 · parameters                        with their gradients and AdamW's two averages
 *   tokens    batch · chunk · layers · (dim + 3 · ffnDim)          what the backward pass needs
 *
 * @throws RangeError with the largest values that are below the bound.
 */
export function checkFits(recipe: Recipe, memory: number): void {
  const { batch, context, layers, dim, ffnDim } = recipe;
  const chunk = Math.min(context, recipe.chunk ?? context);
  const parameters = parameterCount(configOf(recipe, 1)).total; // without the vocabulary
  const ofWeights = 16 * parameters;
  const ofToken = 4 * layers * (dim + 3 * ffnDim);
  const needed = ofWeights + batch * chunk * ofToken;
  if (needed <= memory) return;

  const sizes = `${readable(needed)} at least, and there are ${readable(memory)}`;
  const tokens = Math.floor((memory - ofWeights) / ofToken);
  if (tokens < 1)
    throw new RangeError(
      `A step of this model needs ${sizes}: it has ${parameters.toLocaleString('en-US')} ` +
        'weights. Give a smaller --dim, --ffn-dim or --layers.',
    );
  const allowed: string[] = [];
  if (tokens >= chunk) allowed.push(`--batch ${Math.floor(tokens / chunk)} or less`);
  const perWindow = Math.floor(tokens / batch);
  const option = recipe.chunk === undefined ? '--context' : '--chunk';
  if (perWindow >= 1) allowed.push(`${option} ${perWindow} or less`);
  if (allowed.length === 0) allowed.push(`a smaller --batch and ${option}`);
  throw new RangeError(
    `A step with --batch ${batch} and ${option} ${chunk} needs ${sizes}. Give ` +
      `${allowed.join(', or ')}; --accumulate makes up for it.`,
  );
}

const readable = (bytes: number): string =>
  `${(bytes / GiB).toLocaleString('en-US', { maximumSignificantDigits: 3 })} GiB`;
