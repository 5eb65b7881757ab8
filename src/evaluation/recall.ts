/**
 * Associative recall: read pairs, then say what belonged to what.
 *
 *   read     c→7  a→4  d→1  b→4          keys and values, each a token
 *   asked    a 4  d 1  c 7  b 4          at each key: which value comes next?
 *
 * Nothing but the prompt holds the answer, so it measures memory and nothing else: on text, the part of the loss that the
 * paper's table 5 calls AR-hit. A state of fixed size must fit all pairs into it; a cache of all tokens just keeps them.
 *
 * Two steps must be learned: the value's position takes note of the key before it, and a later key finds that note. The
 * first needs some mixing of neighbours below the layer that looks things up: what YOCO's self-decoder does for its K̂, V̂.
 *
 * Source: multi-query associative recall, Arora et al., "Zoology", arXiv 2312.04927, section 4.
 */
import * as tf from '@tensorflow/tfjs';
import { seededStream } from '../inference/seeded-stream';
import type { LanguageModel } from '../models/language-model';
import { checkCount } from '../tensor/shapes';
import type { BatchSource, Windows } from '../training/batches';
import { NOT_ASKED } from '../training/loss';

export interface RecallOptions {
  /** Different keys, and different values, that there are. */
  keys: number;
  values: number;
  /** Rows per batch. */
  batch: number;
  /** Pairs to remember: a number, or several between which batches take turns. */
  pairs: number | readonly number[];
  seed: number;
}

/** Keys are the tokens 0 … keys − 1, values the ones after them. */
export const recallVocabSize = ({ keys, values }: Pick<RecallOptions, 'keys' | 'values'>): number =>
  keys + values;

/** Batches without end; number n depends on the seed and n alone. */
export class RecallTask implements BatchSource {
  private readonly pairs: readonly number[];
  /** @throws RangeError naming the option that is out of range. */
  constructor(readonly options: RecallOptions) {
    const { keys, values, batch, pairs } = options;
    this.pairs = typeof pairs === 'number' ? [pairs] : pairs;
    for (const [name, n] of Object.entries({ keys, values, batch }))
      checkCount('RecallTask', name, n, name === 'batch' ? 'rows' : 'tokens');
    for (const n of this.pairs) {
      checkCount('RecallTask', 'pairs', n, 'pairs');
      if (n > keys)
        throw new RangeError(
          `RecallTask: pairs is ${n}, but there are ${keys} keys, and each may come once; give ${keys} or fewer.`,
        );
    }
  }
  at(number: number): Windows {
    const pairs = this.pairs[number % this.pairs.length];
    const rows = Array.from({ length: this.options.batch }, (_, row) =>
      this.row(pairs, number * this.options.batch + row),
    );
    return { inputs: rows.map(({ input }) => input), targets: rows.map(({ target }) => target) };
  }

  private row(pairs: number, index: number): { input: number[]; target: number[] } {
    const { keys, values, seed } = this.options;
    const random = seededStream(seed, index);
    const chosen = shuffled(keys, random).slice(0, pairs);
    const told = chosen.map((key) => [key, keys + random.integer(values)] as const);
    const asked = shuffled(pairs, random).map((i) => told[i]);
    return {
      input: [...told, ...asked].flat(),
      target: [
        ...told.flatMap(() => [NOT_ASKED, NOT_ASKED]),
        ...asked.flatMap(([, value]) => [value, NOT_ASKED]),
      ],
    };
  }
}

/** 0 … count − 1 in an order drawn from `random` (Fisher and Yates). */
export function shuffled(count: number, random: { integer(below: number): number }): number[] {
  const order = Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = random.integer(i + 1);
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

/** Share of the asked tokens that are the model's first choice, over `batches` of the source from number `first` on. */
export async function answerAccuracy(
  model: Pick<LanguageModel, 'logits'>,
  source: BatchSource,
  { batches = 4, first = 0 }: { batches?: number; first?: number } = {},
): Promise<number> {
  checkCount('answerAccuracy', 'batches', batches, 'batches');
  let right = 0;
  let asked = 0;
  for (let i = 0; i < batches; i++) {
    const { inputs, targets } = source.at(first + i);
    const choices = await firstChoices(model, inputs);
    targets.forEach((row, b) => {
      row.forEach((target, n) => {
        if (target === NOT_ASKED) return;
        asked++;
        if (choices[b * row.length + n] === target) right++;
      });
    });
  }
  if (asked === 0)
    throw new RangeError(
      'answerAccuracy: nothing is asked in these batches; give a source whose targets ask.',
    );
  return right / asked;
}
/** The likeliest next token at every position, row after row. */
export async function firstChoices(
  model: Pick<LanguageModel, 'logits'>,
  inputs: number[][],
): Promise<Int32Array> {
  const choices = tf.tidy(() => model.logits(inputs).argMax(2));
  try {
    return (await choices.data()) as Int32Array;
  } finally {
    choices.dispose();
  }
}
