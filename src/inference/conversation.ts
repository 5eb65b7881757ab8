/**
 * A conversation keeps its cache from turn to turn, so a turn costs what is new in it, not what was said before.
 *
 *   turn 1:  [system + question]            prefill all of it
 *   turn 2:  [last answer token + question] prefill these; the rest is in the cache already
 *
 * The answer's last token was handed out without being fed back (see generate.ts); it goes first into the next turn.
 * The law that the tests hold: every answer is what a fresh run over the whole text so far would give.
 */
import type { LanguageModel, ModelCache } from '../models/language-model';
import { type GeneratedStep, type GenerateOptions, generateStream } from './generate';

export interface Turn {
  /** What was said to the model, and what it answered. */
  given: readonly number[];
  answer: readonly number[];
  /** Positions that prefill took: the news. */
  prefilled: number;
  /** Tokens of the conversation that were in the cache already, and cost nothing. */
  reused: number;
}
export type TurnOptions = Omit<GenerateOptions, 'cache'>;

export class Conversation {
  private readonly past: Turn[] = [];
  /** Said, but not yet in the cache: the last token of the last answer. */
  private pending: number[] = [];
  private busy = false;

  /** The model stays the caller's; the cache becomes the conversation's. Dispose the conversation when it is over. */
  constructor(
    readonly model: LanguageModel,
    readonly cache: ModelCache = model.newCache(1),
  ) {
    if (cache.batch !== 1)
      throw new RangeError(
        `Conversation: the cache holds ${cache.batch} sequences; a conversation has 1.`,
      );
  }

  get turns(): readonly Turn[] {
    return this.past;
  }
  /** All tokens so far, said and heard. */
  get tokens(): number[] {
    return this.past.flatMap(({ given, answer }) => [...given, ...answer]);
  }
  /** Positions that prefill has taken in all turns together. */
  get prefilled(): number {
    return this.past.reduce((sum, turn) => sum + turn.prefilled, 0);
  }

  /**
   * Says something and yields the answer as it comes. Leaving the loop early ends the answer there.
   * @throws RangeError if nothing is said or an option is not allowed; the conversation then stands where it stood.
   */
  async *sayStream(
    given: readonly number[],
    options: TurnOptions,
  ): AsyncGenerator<GeneratedStep, void, undefined> {
    if (this.busy)
      throw new Error(
        'Conversation: the last answer is still coming; read it to its end, or leave its loop, before the next turn.',
      );
    if (given.length === 0)
      throw new RangeError('Conversation: nothing was said; give at least one token.');
    const news = [...this.pending, ...given];
    const reused = this.cache.length;
    const answer: number[] = [];
    this.busy = true;
    try {
      for await (const step of generateStream(this.model, [news], {
        ...options,
        cache: this.cache,
      })) {
        answer.push(step.tokens[0]!);
        yield step;
      }
    } finally {
      this.busy = false;
      // The cache tells whether the turn happened: a prompt that was refused has left it where it was.
      if (this.cache.length > reused) {
        this.pending = answer.slice(-1);
        this.past.push({ given: [...given], answer, prefilled: news.length, reused });
      }
    }
  }

  /** Says something and waits for the whole answer. @throws as `sayStream`. */
  async say(given: readonly number[], options: TurnOptions): Promise<Turn> {
    for await (const _ of this.sayStream(given, options));
    return this.past.at(-1)!;
  }

  /** A second future of the same past: both can go on, neither hears the other. Dispose it too. */
  fork(): Conversation {
    if (this.busy)
      throw new Error(
        'Conversation.fork: the last answer is still coming; fork when it has ended.',
      );
    const twin = new Conversation(this.model, this.cache.fork());
    twin.past.push(...this.past);
    twin.pending = [...this.pending];
    return twin;
  }

  dispose(): void {
    this.cache.dispose();
  }
}
