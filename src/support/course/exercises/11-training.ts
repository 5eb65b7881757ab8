/** Lesson 11: what is minimised, how fast, and how a weight moves. */
import { mean, rows, softmax, total } from './arithmetic';
import { exercise } from './exercise';

/** −ln p of the token that follows each row. */
const tokenLosses = (logits: number[][], tokens: number[], shift = 1): number[] => {
  const losses: number[] = [];
  for (let n = 0; n + shift < tokens.length; n++) {
    losses.push(-Math.log(softmax(logits[n])[tokens[n + shift]]));
  }
  return losses;
};

type Rate = (
  step: number,
  warmUpSteps: number,
  steps: number,
  peak: number,
  floor: number,
) => number;
const linearWarmUp: Rate = (step, warmUpSteps, _, peak) => (peak * (step + 1)) / warmUpSteps;
const linearDecay: Rate = (step, warmUpSteps, steps, peak, floor) => {
  const done = (step - warmUpSteps) / (steps - 1 - warmUpSteps);
  return peak + (floor - peak) * Math.min(1, done);
};
const schedule =
  (warmUp: Rate, decay: Rate): Rate =>
  (step, warmUpSteps, steps, peak, floor) =>
    (step < warmUpSteps ? warmUp : decay)(step, warmUpSteps, steps, peak, floor);

interface Weight {
  p: number;
  m: number;
  v: number;
}
type AdamW = (w: Weight, gradient: number, t: number, lr: number, weightDecay: number) => Weight;
const BETA1 = 0.9;
const BETA2 = 0.95;
const adamWBy =
  ({ correct = true, root = true, decayInGradient = false } = {}): AdamW =>
  ({ p, m, v }, gradient, t, lr, weightDecay) => {
    const g = decayInGradient ? gradient + weightDecay * p : gradient;
    const m1 = BETA1 * m + (1 - BETA1) * g;
    const v1 = BETA2 * v + (1 - BETA2) * g * g;
    const mHat = correct ? m1 / (1 - BETA1 ** t) : m1;
    const vHat = correct ? v1 / (1 - BETA2 ** t) : v1;
    const step = mHat / ((root ? Math.sqrt(vHat) : vHat) + 1e-8);
    const decay = decayInGradient ? 0 : weightDecay * p;
    return { p: p - lr * (step + decay), m: m1, v: v1 };
  };
const adamW = adamWBy();

export const lesson11 = [
  exercise({
    id: '11-loss',
    title: 'The loss of predicting what comes next',
    difficulty: 1,
    signature: 'nextTokenLoss(logits: number[][], tokens: number[]): number',
    reference: (logits: number[][], tokens: number[]) => mean(tokenLosses(logits, tokens)),
    cases: {
      'two tokens of four, all logits 0': [rows(2, 4, 0).map((row) => row.map(() => 0)), [1, 2]],
      'sure and right': [
        [
          [0, 9, 0],
          [9, 0, 0],
          [0, 0, 0],
        ],
        [2, 1, 0],
      ],
      'five tokens': [rows(5, 6, 1), [0, 3, 5, 2, 2]],
      'large logits': [
        [
          [1000, 1001],
          [0, 0],
        ],
        [0, 1],
      ],
    },
    mistakes: {
      'shift forgotten': {
        wrong: (logits, tokens) => mean(tokenLosses(logits, tokens, 0)),
        hint:
          'Off by one: you ask row n for token n, which the model has just read. ' +
          'Which token should row n predict, and which the last row?',
      },
      'sum instead of mean': {
        wrong: (logits, tokens) => total(tokenLosses(logits, tokens)),
        hint: 'You sum the losses: a longer text would look worse. How many predictions are there?',
      },
      'divided by the tokens': {
        wrong: (logits, tokens) => total(tokenLosses(logits, tokens)) / tokens.length,
        hint: 'Off by one: N tokens give N − 1 predictions.',
      },
      'in bits': {
        wrong: (logits, tokens) => mean(tokenLosses(logits, tokens)) / Math.LN2,
        hint: 'Every number is 1/ln 2 times too large: you measure in bits, the course in nats.',
      },
      'exp overflows': {
        wrong: (logits, tokens) => {
          const probability = (row: number[], token: number): number =>
            Math.exp(row[token]) / total(row.map(Math.exp));
          const losses = logits
            .slice(0, -1)
            .map((row, n) => -Math.log(probability(row, tokens[n + 1])));
          return mean(losses);
        },
        hint: 'Right for small logits. exp(1000) is Infinity: subtract the largest logit first.',
      },
      'logarithm of the mean': {
        wrong: (logits, tokens) =>
          -Math.log(mean(tokenLosses(logits, tokens).map((x) => Math.exp(-x)))),
        hint:
          'You take the mean of the probabilities first. The loss is the mean of the ' +
          'logarithms.',
      },
      'sign lost': {
        wrong: (logits, tokens) => -mean(tokenLosses(logits, tokens)),
        hint: 'The logarithm of a probability is negative; a loss is not.',
      },
    },
  }),
  exercise({
    id: '11-rate',
    title: 'Up, then down',
    difficulty: 2,
    signature:
      'learningRate(step: number, warmUpSteps: number, steps: number, ' +
      'peak: number, floor: number): number',
    reference: schedule(linearWarmUp, linearDecay),
    cases: {
      'the first step': [0, 4, 20, 1, 0.1],
      'half-way up': [1, 4, 20, 1, 0.1],
      'the last of the warm-up': [3, 4, 20, 1, 0.1],
      'right after it': [4, 4, 20, 1, 0.1],
      'a third of the way down': [9, 4, 20, 1, 0.1],
      'half-way down': [12, 4, 20, 1, 0.1],
      'the last step': [19, 4, 20, 1, 0.1],
      'long after': [50, 4, 20, 1, 0.1],
    },
    mistakes: {
      'begins at 0': {
        wrong: schedule((step, warmUpSteps, _, peak) => (peak * step) / warmUpSteps, linearDecay),
        hint:
          'Off by one in the warm-up: at a rate of 0 the first step learns nothing. ' +
          'The first of four steps has a quarter of the peak.',
      },
      'no warm-up': {
        wrong: schedule((_, __, ___, peak) => peak, linearDecay),
        hint: 'The way down is right. Where is the way up?',
      },
      'down to 0': {
        wrong: schedule(linearWarmUp, (step, warmUpSteps, steps, peak) =>
          linearDecay(step, warmUpSteps, steps, peak, 0),
        ),
        hint: 'You come down to 0. floor is not used.',
      },
      'down from the first step': {
        wrong: schedule(linearWarmUp, (step, _, steps, peak, floor) =>
          linearDecay(step, 0, steps, peak, floor),
        ),
        hint: 'Right after the warm-up you are below the peak: the way down begins where it ends.',
      },
      'goes on below the floor': {
        wrong: schedule(
          linearWarmUp,
          (step, warmUpSteps, steps, peak, floor) =>
            peak + ((floor - peak) * (step - warmUpSteps)) / (steps - 1 - warmUpSteps),
        ),
        hint: 'Right to the last step. After it your line goes on, and the rate becomes negative.',
      },
      'a cosine': {
        wrong: schedule(linearWarmUp, (step, warmUpSteps, steps, peak, floor) => {
          const done = Math.min(1, (step - warmUpSteps) / (steps - 1 - warmUpSteps));
          return floor + ((peak - floor) * (1 + Math.cos(Math.PI * done))) / 2;
        }),
        hint:
          'The ends are right, and half-way down as well. In between a straight line is asked ' +
          'for.',
      },
      'down by a share of the peak': {
        wrong: schedule(linearWarmUp, (step, warmUpSteps, steps, peak, floor) =>
          Math.max(floor, peak * (1 - (step - warmUpSteps) / (steps - 1 - warmUpSteps))),
        ),
        hint:
          'Your line leads to 0 and stops at the floor on the way. Lead it to the floor ' +
          'itself.',
      },
      'the floor comes too late': {
        wrong: schedule(linearWarmUp, (step, warmUpSteps, steps, peak, floor) =>
          linearDecay(step, warmUpSteps, steps + 1, peak, floor),
        ),
        hint: 'Off by one: the last step of 20 is number 19, and it should have the floor.',
      },
    },
  }),
  exercise({
    id: '11-adamw',
    title: 'One step of AdamW',
    difficulty: 3,
    signature:
      'adamW(weight: { p: number; m: number; v: number }, gradient: number, t: number, ' +
      'lr: number, weightDecay: number): { p: number; m: number; v: number }',
    reference: adamW,
    cases: {
      'the first step': [{ p: 1, m: 0, v: 0 }, 0.5, 1, 0.1, 0],
      'the first step, with decay': [{ p: 2, m: 0, v: 0 }, -0.5, 1, 0.1, 0.1],
      'the fifth step': [{ p: -1, m: 0.2, v: 0.1 }, 0.3, 5, 0.01, 0.1],
      'no gradient': [{ p: 3, m: 0.1, v: 0.4 }, 0, 9, 0.01, 0.1],
    },
    properties: {
      'without decay the first step is as long as the rate, whatever the gradient': (f) =>
        [1e-3, 7].every((g) => Math.abs(f({ p: 0, m: 0, v: 0 }, g, 1, 0.1, 0).p + 0.1) < 1e-4),
    },
    mistakes: {
      'no correction of the start': {
        wrong: adamWBy({ correct: false }),
        hint: 'm and v are right, but both are too small at first. What are m̂ and v̂?',
      },
      'corrected averages kept': {
        wrong: (w, gradient, t, lr, weightDecay) => {
          const { p, m, v } = adamW(w, gradient, t, lr, weightDecay);
          return { p, m: m / (1 - BETA1 ** t), v: v / (1 - BETA2 ** t) };
        },
        hint:
          'The step is right, but you return m̂ and v̂. The averages that are kept stay ' +
          'uncorrected, or the next step corrects them twice.',
      },
      'corrected for a later step': {
        wrong: (w, gradient, t, lr, weightDecay) => {
          const { m, v } = adamW(w, gradient, t, lr, weightDecay);
          return { p: adamW(w, gradient, t + 1, lr, weightDecay).p, m, v };
        },
        hint:
          'm and v are right, m̂ and v̂ are corrected for the wrong step: t counts from 1 ' +
          'already.',
      },
      'decay without the rate': {
        wrong: (w, gradient, t, lr, weightDecay) => ({
          ...adamW(w, gradient, t, lr, 0),
          p: adamW(w, gradient, t, lr, 0).p - weightDecay * w.p,
        }),
        hint:
          'Right without decay. The learning rate stands before the bracket: it scales both ' +
          'terms.',
      },
      'decay of the moved weight': {
        wrong: (w, gradient, t, lr, weightDecay) => {
          const moved = adamW(w, gradient, t, lr, 0);
          return { ...moved, p: moved.p * (1 - lr * weightDecay) };
        },
        hint:
          'Nearly right: you shrink the weight after it has moved. Take p as it was for both ' +
          'terms.',
      },
      'averages exchanged': {
        wrong: ({ p, m, v }, g, t, lr, weightDecay) => {
          const m1 = BETA2 * m + (1 - BETA2) * g;
          const v1 = BETA1 * v + (1 - BETA1) * g * g;
          const step = m1 / (1 - BETA2 ** t) / (Math.sqrt(v1 / (1 - BETA1 ** t)) + 1e-8);
          return { p: p - lr * (step + weightDecay * p), m: m1, v: v1 };
        },
        hint: 'The two averages have each other’s rate: 0.9 belongs to m, 0.95 to v.',
      },
      'root forgotten': {
        wrong: adamWBy({ root: false }),
        hint: 'You divide by v̂, not by its root: small gradients would give very long steps.',
      },
      'decay in the gradient': {
        wrong: adamWBy({ decayInGradient: true }),
        hint:
          'Right without decay. You add it to the gradient (L2); in AdamW it stands outside the ' +
          'fraction, so that v̂ does not divide it.',
      },
      'decay forgotten': {
        wrong: (w, gradient, t, lr) => adamW(w, gradient, t, lr, 0),
        hint: 'Right without decay. weightDecay is not used.',
      },
      'averages not carried': {
        wrong: (w, ...others) => ({ ...w, p: adamW(w, ...others).p }),
        hint: 'State not carried: the weight has moved, but m and v are those of the last step.',
      },
      'the wrong direction': {
        wrong: (w, ...others) => {
          const next = adamW(w, ...others);
          return { ...next, p: 2 * w.p - next.p };
        },
        hint: 'Your step increases the loss: the gradient points to where the loss grows.',
      },
    },
  }),
];
