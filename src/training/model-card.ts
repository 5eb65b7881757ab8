/**
 * What is written beside a model's weights: enough to load it, to judge it and to make it again.
 *
 * Two files belong together, NAME.safetensors and NAME.json. The card is plain data and goes through JSON unchanged.
 */
import type { ModelConfig } from '../models/config';
import { type Recipe, unsaid } from './recipe';
import type { TokenizerJSON } from './tokenizer-types';
import type { Curve } from './trainer';

export interface ModelCard {
  format: 'cache-once model 1';
  config: ModelConfig;
  tokenizer: TokenizerJSON;
  corpus: {
    name: string;
    /** Where it was read, if it is not the book. */
    path?: string;
    characters: number;
    /** SHA-256 of the text: a run resumes on the same text or not at all. */
    sha256: string;
  };
  recipe: Recipe;
  /** What was typed. */
  command: string;
  engine: string;
  parameters: number;
  /** Time spent in training steps and validation, over all sittings. */
  seconds: number;
  tokensSeen: number;
  curve: Curve;
  /** The step whose weights are kept, if it is not the last (early-stop.ts). */
  kept?: { step: number; loss: number };
  /** Loss of the whole held-out text, once the run is done; and the baseline's, in the same units. */
  heldOut?: {
    tokens: number;
    bytes: number;
    context: number;
    loss: number;
    bitsPerByte: number;
    bigramLoss?: number;
    bigramBitsPerByte?: number;
  };
}

/** JSON for people: indented, but a list of numbers stays on its line. */
export function cardText(card: ModelCard): string {
  const text = JSON.stringify(card, null, 2);
  return `${text.replace(/\[[\s\d.,eE+-]+\]/g, (numbers) => numbers.replace(/\s+/g, ' '))}\n`;
}

/** @throws RangeError saying what is wrong with it. */
export function readCard(where: string, text: string): ModelCard {
  let card: ModelCard;
  try {
    card = JSON.parse(text) as ModelCard;
  } catch (error) {
    throw new RangeError(
      `${where}: this is not JSON (${(error as Error).message}). Was the file cut short?`,
    );
  }
  if (card?.format !== 'cache-once model 1')
    throw new RangeError(
      `${where}: format is ${JSON.stringify(card?.format)}; allowed: "cache-once model 1".`,
    );
  for (const field of ['config', 'tokenizer', 'recipe', 'curve'] as const)
    if (typeof card[field] !== 'object' || card[field] === null)
      throw new RangeError(`${where}: ${field} is missing; the card of a model needs it.`);
  return { ...card, recipe: { ...unsaid, ...card.recipe } };
}
