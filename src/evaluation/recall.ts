/**
 * Associative recall: read pairs of a key and a value, then say which value belongs to which key.
 *
 *   read        c→7  a→4  d→1  b→4     keys and values, each a token
 *   questions   a 4  d 1  c 7  b 4     at each key: which value comes next?
 *
 * Only the prompt holds the answers, so the task measures recall alone: on text, the part of the
 * loss that the paper's table 5 calls AR-hit. A state of fixed size must fit all pairs; a KV cache
 * keeps every token.
 *
 * A model must learn two steps: store with a value the key before it, and find that entry from a
 * later key. The first step mixes neighbouring tokens below the layer that looks up: in YOCO, the
 * self-decoder does this for K̂ and V̂.
 *
 * Source: multi-query associative recall, Arora et al., "Zoology", arXiv 2312.04927, section 4.
 */
import * as tf from '@tensorflow/tfjs';
import { Interruption } from '../tensor/interruption';
import { seededStream } from '../tensor/random';
import { checkCount } from '../tensor/shapes';
import type { Batch, DataLoader } from '../training/batches';
import { IGNORE_INDEX } from '../training/loss';
import type { ForwardModel } from './perplexity';

export interface RecallOptions {
  /** Number of different keys, and of different values. */
  keys: number;
  values: number;
  /** Rows per batch. */
  batch: number;
  /** Pairs in a row: a number, or several numbers that batches take in turn. */
  pairs: number | readonly number[];
  seed: number;
  /** The token of each key, then of each value. Default: 0, 1, 2, … */
  tokens?: readonly number[];
}

export const recallVocabSize = ({ keys, values }: { keys: number; values: number }): number =>
  keys + values;

/** Batches without end; batch n depends on the seed and n alone. */
export class RecallTask implements DataLoader {
  /** @throws RangeError naming the option that is out of range. */
  constructor(readonly options: RecallOptions) {
    const { keys, values, batch, pairs, tokens } = options;
    checkCount('RecallTask', 'keys', keys, 'tokens');
    checkCount('RecallTask', 'values', values, 'tokens');
    checkCount('RecallTask', 'batch', batch, 'rows');
    if (tokens && tokens.length !== keys + values)
      throw new RangeError(
        `RecallTask: there are ${tokens.length} tokens; ` +
          `give ${keys + values}, one for each key and value.`,
      );
    for (const n of [pairs].flat()) {
      checkCount('RecallTask', 'pairs', n, 'pairs');
      if (n > keys) throw new RangeError(`RecallTask: pairs is ${n}; there are only ${keys} keys.`);
    }
  }

  at(number: number): Batch {
    const { batch, pairs } = this.options;
    const counts = [pairs].flat();
    const count = counts[number % counts.length];
    const rows = range(batch).map((b) => this.row(count, number * batch + b));
    return questionBatch(rows, 4 * count);
  }

  private row(pairs: number, index: number): QuestionRow {
    const { keys, values, seed, tokens = range(keys + values) } = this.options;
    const random = seededStream(seed, index);
    const chosenKeys = random.shuffle(range(keys)).slice(0, pairs);
    const facts = chosenKeys.map((key) => [tokens[key], tokens[keys + random.integer(values)]]);
    const questions = random.shuffle(range(pairs)).map((i) => facts[i]);
    return { text: facts.flat(), questions };
  }
}

/** A text, then questions with their answers: the last token of a question is its answer. */
export interface QuestionRow {
  text: number[];
  questions: number[][];
}
/** The first N tokens of each row; only the answers are targets. */
export function questionBatch(rows: QuestionRow[], N: number): Batch {
  const inputs: number[][] = [];
  const targets: number[][] = [];
  for (const { text, questions } of rows) {
    const tokens = [...text];
    const target: number[] = new Array(N).fill(IGNORE_INDEX);
    for (const question of questions) {
      tokens.push(...question);
      // The answer is the last token, predicted at the position before it.
      target[tokens.length - 2] = tokens[tokens.length - 1];
    }
    inputs.push(tokens.slice(0, N));
    targets.push(target);
  }
  return { inputs, targets };
}

/** 0 … count − 1. */
export const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** Share of the targets of the first `batches` batches that are the model's most likely token. */
export async function answerAccuracy(model: ForwardModel, loader: DataLoader, batches = 4) {
  checkCount('answerAccuracy', 'batches', batches, 'batches');
  let right = 0;
  let asked = 0;
  const interruption = new Interruption();
  for (let i = 0; i < batches; i++) {
    await interruption.check(() => `answerAccuracy: stopped after ${i} of ${batches} batches.`);
    const { inputs, targets } = loader.at(i);
    const mostLikely = tf.tidy(() => model.forward(inputs).argMax(2)); // [B, N]
    const answers = await mostLikely.data().finally(() => mostLikely.dispose());
    for (const [n, target] of targets.flat().entries()) {
      if (target === IGNORE_INDEX) continue;
      asked++;
      if (answers[n] === target) right++;
    }
  }
  return right / asked;
}
