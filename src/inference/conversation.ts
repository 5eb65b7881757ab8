/**
 * A conversation keeps its cache from turn to turn, so a turn costs only what is new in it.
 *
 *   turn 1:  [system + question]             prefill all of it
 *   turn 2:  [last answer token + question]  prefill these; the rest is in the cache
 *
 * The last token of an answer was returned without being fed back (see generate.ts), so it comes
 * first in the next turn. Every answer is what a new run over the whole text so far would give.
 */
import type { LanguageModel } from '../models/language-model';
import type { ModelCache } from '../models/model-cache';
import { checkPrompts, type GenerateOptions, generateStream } from './generate';

export interface Turn {
  /** What was said to the model, and what it answered. */
  given: readonly number[];
  answer: readonly number[];
  /** Positions that prefill computed: the new ones. */
  prefilled: number;
  /** Tokens of the conversation that were in the cache already. */
  reused: number;
}
export type TurnOptions = Omit<GenerateOptions, 'cache'>;

export class Conversation {
  private readonly past: Turn[] = [];
  /** The last token of the last answer: part of the text, but not yet in the cache. */
  private pending: number[] = [];

  /** The model stays the caller's; the conversation disposes the cache. */
  constructor(
    readonly model: LanguageModel,
    readonly cache: ModelCache = model.newCache(1),
  ) {
    cache.checkBelongsTo(model, 'Conversation', 1);
  }

  get turns(): readonly Turn[] {
    return this.past;
  }
  /** All tokens so far, of both sides. */
  get tokens(): number[] {
    return this.past.flatMap(({ given, answer }) => [...given, ...answer]);
  }

  /**
   * Says something and yields the answer as it comes. Leaving the loop early ends the answer.
   * @throws as `generateStream`, also while the last answer is still coming; the conversation is
   * then unchanged.
   */
  async *sayStream(given: readonly number[], options: TurnOptions) {
    checkPrompts('Conversation.say', [given], this.model);
    this.cache.checkUsable('Conversation.say');
    const prompt = [...this.pending, ...given];
    const reused = this.cache.length;
    const answer: number[] = [];
    try {
      const steps = generateStream(this.model, [prompt], { ...options, cache: this.cache });
      for await (const step of steps) {
        answer.push(step.tokens[0] as number); // a single row does not go on after it has ended
        yield step;
      }
    } finally {
      // A prompt that was refused has left the cache as it was, and is no turn.
      if (this.cache.length > reused) {
        this.pending = answer.slice(-1);
        this.past.push({ given: [...given], answer, prefilled: prompt.length, reused });
      }
    }
  }

  /** Says something and waits for the whole answer. @throws as `sayStream`. */
  async say(given: readonly number[], options: TurnOptions): Promise<Turn> {
    for await (const _ of this.sayStream(given, options));
    return this.past[this.past.length - 1];
  }

  /** A copy with the same past, which continues on its own. Dispose it too. */
  fork(): Conversation {
    const copy = new Conversation(this.model, this.cache.fork());
    copy.past.push(...this.past);
    copy.pending = [...this.pending];
    return copy;
  }

  dispose(): void {
    this.cache.dispose();
  }
}
