/**
 * Fresh cases of every exercise, drawn anew in each grading: a function that only knows the cases
 * of the catalogue fails them. They stay within what the text of the exercise allows.
 */
import { type SeededRandom, seededStream } from '../../../tensor/random';
import { exercises } from '../exercises/catalogue';

const CASES = 8;

/** Draws what arguments are made of. */
class Draw {
  constructor(private readonly random: SeededRandom) {}

  /** A whole number, both ends included. */
  whole(least: number, most: number): number {
    return least + this.random.integer(most - least + 1);
  }
  real(least = -2, most = 2): number {
    return least + (most - least) * this.random.uniform();
  }
  gate(): number {
    return this.real(0.05, 0.99);
  }
  either<T>(...choices: T[]): T {
    return choices[this.random.integer(choices.length)];
  }
  list<T>(length: number, entry: () => T): T[] {
    return Array.from({ length }, entry);
  }
  reals(length: number, least?: number, most?: number): number[] {
    return this.list(length, () => this.real(least, most));
  }
  rows(count: number, width: number): number[][] {
    return this.list(count, () => this.reals(width));
  }
  /** So many and so strong that their running product is 0, also in float64. */
  strongGates(): number[] {
    return this.list(120, () => this.real(1e-4, 1e-3));
  }
  gates(length: number): number[] {
    return this.list(length, () => this.gate());
  }
  /** A number of layers that has halves. */
  layers(): number {
    return 2 * this.whole(1, 8);
  }
  /** One text in attention: q [N, D], k [N, D], v [N, Dv]. */
  attention(N = this.whole(1, 6)): { q: number[][]; k: number[][]; v: number[][] } {
    const D = this.whole(1, 5);
    return { q: this.rows(N, D), k: this.rows(N, D), v: this.rows(N, this.whole(1, 4)) };
  }
  /** Query heads and the key heads that they share. */
  heads(): { heads: number; kvHeads: number } {
    const kvHeads = this.whole(1, 6);
    return { heads: kvHeads * this.whole(1, 4), kvHeads };
  }
  cacheShape(): object {
    const sizes = {
      layers: this.layers(),
      tokens: this.whole(1, 500),
      headSize: this.whole(1, 64),
    };
    return { ...sizes, ...this.heads(), bytes: this.either(1, 2, 4) };
  }
}

const draws: Record<string, (d: Draw) => unknown[]> = {
  '00-mean': (d) => [d.reals(d.whole(1, 7))],
  '00-fade': (d) => [d.real(1, 9), d.gate(), d.whole(0, 12)],
  '00-ratio': (d) => [d.layers(), d.whole(1, 5000), d.whole(0, 200)],

  '01-softmax': (d) => {
    const middle = d.either(0, 0, 1000);
    return [d.reals(d.whole(1, 6), middle - 4, middle + 4)];
  },
  '01-attend': (d) => {
    const { q, k, v } = d.attention();
    return [q, k, v];
  },
  '01-step': (d) => {
    const { q, k, v } = d.attention();
    const last = q.length - 1; // those before it are in the cache
    const token = { q: q[last], k: k[last], v: v[last] };
    return [token, { k: k.slice(0, last), v: v.slice(0, last) }];
  },

  '02-norm': (d) => [d.reals(d.whole(1, 8)), d.either(0, 1e-5, d.real(0.01, 1))],
  '02-swiglu': (d) => {
    const width = d.whole(1, 6);
    return [d.reals(width, -6, 6), d.reals(width)];
  },
  '02-rotate': (d) => {
    const pairs = d.whole(1, 4);
    return [d.reals(2 * pairs), d.whole(0, 40), d.reals(pairs, 0, 1.5)];
  },

  '03-heads': (d) => {
    const heads = d.whole(1, 5);
    return [d.reals(heads * d.whole(1, 4)), heads];
  },
  '03-multi-head': (d) => {
    const [N, heads] = [d.whole(1, 5), d.whole(1, 3)];
    const width = heads * d.whole(1, 3);
    return [d.rows(N, width), d.rows(N, width), d.rows(N, width), heads];
  },
  '03-sample': (d) => {
    const middle = d.either(0, 0, 1000);
    const logits = d.reals(d.whole(1, 6), middle - 3, middle + 3);
    return [logits, d.real(0.3, 3), d.real(0, 0.999)];
  },

  '04-decay': (d) => [d.either(d.gates(d.whole(1, 6)), d.strongGates())],
  '04-step': (d) => {
    const [Dk, Dv] = [d.whole(1, 4), d.whole(1, 4)];
    return [{ q: d.reals(Dk), k: d.reals(Dk), v: d.reals(Dv), gamma: d.gate() }, d.rows(Dk, Dv)];
  },
  '04-chunk': (d) => {
    const gammas = d.either(d.gates(d.whole(1, 6)), d.strongGates());
    const { q, k, v } = d.attention(gammas.length);
    return [{ q, k, v, gammas }, d.rows(q[0].length, v[0].length)];
  },

  '05-half-life': (d) => [d.real(-6, 6), d.whole(1, 32)],
  '05-log-gate': (d) => [d.either(d.real(-8, 8), d.real(-900, 900)), d.whole(1, 32)],
  '05-silence': (d) => {
    const { k, v } = d.attention();
    const turn = { k, v, gammas: d.gates(k.length) };
    return [turn, d.whole(0, k.length), d.rows(k[0].length, v[0].length)];
  },

  '06-mask': (d) => [d.whole(1, 8), d.whole(1, 9)],
  '06-reach': (d) => [d.whole(1, 20), d.whole(1, 300)],
  '06-ring': (d) => [{ slots: d.reals(d.whole(1, 6)), length: d.whole(0, 5000) }, d.real()],
  '06-slide': (d) => {
    const { q, k, v } = d.attention();
    return [q.slice(d.whole(0, q.length - 1)), k, v, d.whole(1, 7)];
  },

  '07-grouped': (d) => {
    const { heads, kvHeads } = d.heads();
    return [d.whole(0, heads - 1), heads, kvHeads];
  },
  '07-make-once': (d) => {
    const width = d.whole(1, 5);
    const x = d.rows(d.whole(1, 4), width).map((row) => row.map((y) => y * d.either(1, 1e-3)));
    return [x, d.rows(width, d.whole(1, 4)), d.rows(width, d.whole(1, 4))];
  },
  '07-climb': (d) => {
    const [N, width] = [d.whole(1, 5), d.whole(1, 3)];
    const x = d.rows(N, width).slice(d.whole(0, N - 1));
    const wqs = d.list(d.whole(1, 4), () => d.rows(width, width));
    return [x, wqs, { k: d.rows(N, width), v: d.rows(N, width) }];
  },

  '08-perplexity': (d) => [d.reals(d.whole(1, 6), 0, 4)],
  '08-weights': (d) => {
    const heads = d.heads();
    return [{ dim: heads.heads * d.whole(1, 8), layers: d.layers(), ...heads }];
  },
  '08-toy': (d) => [d.reals(d.whole(1, 6)), d.gate(), 2 * d.whole(1, 3)],

  '09-layer-tokens': (d) => [d.whole(1, 3000), d.layers(), d.either(true, false)],
  '09-pieces': (d) => [d.whole(1, 60), d.whole(1, 12)],
  '09-must-climb': (d) => [d.list(d.whole(1, 6), () => d.either(1, d.whole(1, 9))), d.whole(1, 30)],

  '10-baseline': (d) => [d.cacheShape()],
  '10-yoco': (d) => [d.cacheShape(), d.whole(1, 500)],
  '10-longest': (d) => [d.whole(0, 5000), d.whole(0, 3000), d.whole(0, 500), d.whole(1, 300)],

  '11-loss': (d) => {
    const [N, vocab] = [d.whole(2, 6), d.whole(2, 6)];
    const middle = d.either(0, 0, 1000);
    const logits = d.list(N, () => d.reals(vocab, middle - 3, middle + 3));
    return [logits, d.list(N, () => d.whole(0, vocab - 1))];
  },
  '11-rate': (d) => {
    const warmUpSteps = d.whole(1, 6);
    const steps = warmUpSteps + d.whole(2, 20);
    return [d.whole(0, steps + 5), warmUpSteps, steps, d.real(0.5, 2), d.real(0.01, 0.4)];
  },
  '11-adamw': (d) => {
    const weight = { p: d.real(), m: d.real(-0.5, 0.5), v: d.real(0.01, 0.5) };
    return [weight, d.real(), d.whole(1, 20), d.real(0.001, 0.1), d.either(0, d.real(0.01, 0.2))];
  },

  '12-hide': (d) => {
    const words = (count: number): string[] => d.list(count, () => `word${d.whole(0, 99)}`);
    const [hay, place] = [words(d.whole(1, 9)), d.real(-0.4, 0.4)]; // never between two places
    const depth = (d.whole(0, hay.length) + place) / hay.length;
    return [hay, words(d.whole(1, 3)), Math.min(1, Math.max(0, depth))];
  },
  '12-mark': (d) => {
    const needles = [...new Set(d.list(d.whole(1, 6), () => `${d.whole(0, 30)}`))];
    const more = d.list(d.whole(0, 4), () => `${d.whole(0, 300)}`);
    return [needles, [...needles.filter(() => d.either(true, false)), ...more].reverse()];
  },
  '12-recallable': (d) => [d.list(d.whole(1, 14), () => d.whole(1, 3))],

  '13-halo': (d) => [d.whole(0, 60), d.whole(1, 30)],
  '13-speeds': (d) => [d.whole(1, 9), d.whole(10, 1_000_000)],
  '13-hand-over': (d) => {
    const [Dk, Dv] = [d.whole(1, 3), d.whole(1, 3)];
    return [d.list(d.whole(1, 5), () => ({ decay: d.gate(), state: d.rows(Dk, Dv) }))];
  },

  '14-take': (d) => {
    const layers = d.layers();
    return [d.whole(0, layers - 1), layers];
  },
  '14-merge': (d) => {
    const groups = d.whole(1, 4);
    return [d.rows(groups * d.whole(1, 3), d.whole(1, 4)), groups];
  },
  '14-distil': (d) => {
    const vocab = d.whole(2, 6);
    return [d.reals(vocab, -4, 4), d.reals(vocab, -4, 4), d.real(0.5, 4)];
  },

  '15-loop': (d) => [d.whole(1, 5000), d.layers(), d.whole(1, 600), d.whole(1, 5)],
  '15-gmu': (d) => {
    const [width, inner] = [d.whole(1, 4), d.whole(1, 4)];
    return [d.reals(width), d.reals(inner), d.rows(width, inner), d.rows(inner, width)];
  },
  '15-delta': (d) => {
    const [Dk, Dv] = [d.whole(1, 4), d.whole(1, 4)];
    return [d.rows(Dk, Dv), { k: d.reals(Dk), v: d.reals(Dv), beta: d.real(0, 1) }];
  },
};

/**
 * Name of the case → arguments; the same for every student who is graded with this seed.
 * @throws RangeError for an exercise that has none.
 */
export function freshCases(id: string, seed: number): Record<string, never[]> {
  const draw = draws[id];
  if (!draw) throw new RangeError(`freshCases: there are none of exercise ${id}; add them here.`);
  const place = exercises.findIndex((one) => one.id === id);
  const d = new Draw(seededStream(seed, place));
  const cases: Record<string, never[]> = {};
  for (let i = 1; i <= CASES; i++) cases[`fresh case ${i}`] = draw(d) as never[];
  return cases;
}
