/** Lesson 11: what is minimised, how fast, and how a weight walks. */
import { exercise, rows, total } from './exercise';

/** −ln p(target) for one row of logits. */
const surprise = (logits: number[], target: number): number => {
  const largest = Math.max(...logits);
  return Math.log(total(logits.map((x) => Math.exp(x - largest)))) + largest - logits[target];
};
const loss = (logits: number[][], tokens: number[], shift = 1, divide = true): number => {
  const list = logits
    .slice(0, tokens.length - shift)
    .map((row, n) => surprise(row, tokens[n + shift]));
  return total(list) / (divide ? list.length : 1);
};

const rate = (
  step: number,
  warmUpSteps: number,
  steps: number,
  peak: number,
  floor: number,
): number => {
  if (step < warmUpSteps) return (peak * (step + 1)) / warmUpSteps;
  return peak + (floor - peak) * Math.min(1, (step - warmUpSteps) / (steps - 1 - warmUpSteps));
};

interface Weight {
  p: number;
  m: number;
  v: number;
}
/** β₁ 0.9, β₂ 0.95, eps 1e-8: YOCO's. */
const adamW = (
  { p, m, v }: Weight,
  g: number,
  t: number,
  lr: number,
  decay: number,
  { correct = true, root = true, coupled = false, keepDecay = true } = {},
): Weight => {
  const gradient = coupled ? g + decay * p : g;
  const [m1, v1] = [0.9 * m + 0.1 * gradient, 0.95 * v + 0.05 * gradient * gradient];
  const [mHat, vHat] = correct ? [m1 / (1 - 0.9 ** t), v1 / (1 - 0.95 ** t)] : [m1, v1];
  return {
    p:
      p -
      lr *
        (mHat / ((root ? Math.sqrt(vHat) : vHat) + 1e-8) + (coupled || !keepDecay ? 0 : decay * p)),
    m: m1,
    v: v1,
  };
};

export const lesson11 = [
  exercise({
    id: '11-loss',
    title: 'The loss of predicting what comes next',
    difficulty: 1,
    signature: 'nextTokenLoss(logits: number[][], tokens: number[]): number',
    reference: (logits: number[][], tokens: number[]) => loss(logits, tokens),
    cases: {
      'no idea: two tokens of four': [
        [
          [0, 0, 0, 0],
          [0, 0, 0, 0],
        ],
        [1, 2],
      ],
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
        wrong: (logits, tokens) => loss(logits, tokens, 0),
        hint: 'Off by one: you ask row n for token n, which the model has just read. Which token should row n predict? (And what has the last row to predict?)',
      },
      'sum instead of mean': {
        wrong: (logits, tokens) => loss(logits, tokens, 1, false),
        hint: 'You add the losses up: a longer text would look worse. How many predictions are there?',
      },
      'divided by the tokens': {
        wrong: (logits, tokens) => loss(logits, tokens, 1, false) / tokens.length,
        hint: 'Off by one: N tokens make N − 1 predictions.',
      },
      'in bits': {
        wrong: (logits, tokens) => loss(logits, tokens) / Math.LN2,
        hint: 'Every number is 1/ln 2 times too large: you measure in bits, the course in nats.',
      },
      'exp overflows': {
        wrong: (logits, tokens) =>
          total(
            logits
              .slice(0, -1)
              .map((row, n) => -Math.log(Math.exp(row[tokens[n + 1]]) / total(row.map(Math.exp)))),
          ) /
          (tokens.length - 1),
        hint: 'Right for small logits. exp(1000) is infinite: subtract the largest logit of a row first.',
      },
      'sign lost': {
        wrong: (logits, tokens) => -loss(logits, tokens),
        hint: 'A loss is positive: the logarithm of a probability is not.',
      },
    },
  }),
  exercise({
    id: '11-rate',
    title: 'Up, then down',
    difficulty: 2,
    signature:
      'learningRate(step: number, warmUpSteps: number, steps: number, peak: number, floor: number): number',
    reference: rate,
    cases: {
      'the first step': [0, 4, 20, 1, 0.1],
      'half-way up': [1, 4, 20, 1, 0.1],
      'the last of the warm-up': [3, 4, 20, 1, 0.1],
      'right after it': [4, 4, 20, 1, 0.1],
      'half-way down': [12, 4, 20, 1, 0.1],
      'the last step': [19, 4, 20, 1, 0.1],
      'long after': [50, 4, 20, 1, 0.1],
    },
    mistakes: {
      'begins at 0': {
        wrong: (step, w, steps, peak, floor) =>
          step < w ? (peak * step) / w : rate(step, w, steps, peak, floor),
        hint: 'Off by one in the warm-up: your first step has a rate of 0 and learns nothing. Steps are counted from 0; the first of four should have a quarter of the peak.',
      },
      'no warm-up': {
        wrong: (step, w, steps, peak, floor) =>
          step < w ? peak : rate(step, w, steps, peak, floor),
        hint: 'The way down is right. Where is the way up?',
      },
      'down to 0': {
        wrong: (step, w, steps, peak, floor) =>
          step < w ? rate(step, w, steps, peak, floor) : rate(step, w, steps, peak, 0),
        hint: 'You come down to 0. Where does floor come in?',
      },
      'down from the first step': {
        wrong: (step, w, steps, peak, floor) =>
          step < w
            ? rate(step, w, steps, peak, floor)
            : peak + (floor - peak) * Math.min(1, step / (steps - 1)),
        hint: 'Right after the warm-up you are already below the peak: the way down begins where the warm-up ends.',
      },
      'goes on below the floor': {
        wrong: (step, w, steps, peak, floor) =>
          step < w
            ? rate(step, w, steps, peak, floor)
            : peak + ((floor - peak) * (step - w)) / (steps - 1 - w),
        hint: 'Right to the last step. After it your line goes on, and the rate becomes negative.',
      },
      'the floor comes too late': {
        wrong: (step, w, steps, peak, floor) =>
          step < w
            ? rate(step, w, steps, peak, floor)
            : peak + (floor - peak) * Math.min(1, (step - w) / (steps - w)),
        hint: 'Off by one: the last step of 20 is number 19, and it should have the floor.',
      },
    },
  }),
  exercise({
    id: '11-adamw',
    title: 'How a weight walks',
    difficulty: 3,
    signature:
      'adamW(weight: { p: number; m: number; v: number }, gradient: number, t: number, lr: number, weightDecay: number): { p: number; m: number; v: number }',
    reference: (weight: Weight, g: number, t: number, lr: number, decay: number) =>
      adamW(weight, g, t, lr, decay),
    cases: {
      'the first step': [{ p: 1, m: 0, v: 0 }, 0.5, 1, 0.1, 0],
      'the first step, with decay': [{ p: 2, m: 0, v: 0 }, -0.5, 1, 0.1, 0.1],
      'the fifth step': [{ p: -1, m: 0.2, v: 0.1 }, 0.3, 5, 0.01, 0.1],
      'no gradient': [{ p: 3, m: 0.1, v: 0.4 }, 0, 9, 0.01, 0.1],
    },
    laws: {
      'without decay the first step is as long as the rate, whatever the gradient': (f) =>
        [1e-3, 7].every((g) => Math.abs(f({ p: 0, m: 0, v: 0 }, g, 1, 0.1, 0).p + 0.1) < 1e-4),
    },
    mistakes: {
      'no correction of the start': {
        wrong: (w, g, t, lr, decay) => adamW(w, g, t, lr, decay, { correct: false }),
        hint: 'm and v are right, the step is not: both begin at 0 and are too small at first. What are m̂ and v̂?',
      },
      'corrected averages kept': {
        wrong: (w, g, t, lr, decay) => {
          const next = adamW(w, g, t, lr, decay);
          return { p: next.p, m: next.m / (1 - 0.9 ** t), v: next.v / (1 - 0.95 ** t) };
        },
        hint: 'The step is right, but you hand on m̂ and v̂. The averages that are carried stay uncorrected, or the next step corrects them twice.',
      },
      'root forgotten': {
        wrong: (w, g, t, lr, decay) => adamW(w, g, t, lr, decay, { root: false }),
        hint: 'You divide by v̂, not by its root: a step would be long where gradients are small, without end.',
      },
      'decay in the gradient': {
        wrong: (w, g, t, lr, decay) => adamW(w, g, t, lr, decay, { coupled: true }),
        hint: 'Right without decay. You add it to the gradient (L2); the W of AdamW says that it stands outside the fraction, so that v̂ does not divide it.',
      },
      'decay forgotten': {
        wrong: (w, g, t, lr, decay) => adamW(w, g, t, lr, decay, { keepDecay: false }),
        hint: 'Right without decay. weightDecay is not used.',
      },
      'state not carried': {
        wrong: (w, g, t, lr, decay) => ({ ...w, p: adamW(w, g, t, lr, decay).p }),
        hint: 'State not carried: the weight has moved, but m and v are those of the last step.',
      },
      uphill: {
        wrong: (w, g, t, lr, decay) => ({
          ...adamW(w, g, t, lr, decay),
          p: 2 * w.p - adamW(w, g, t, lr, decay).p,
        }),
        hint: 'You walk uphill: the gradient points to where the loss grows.',
      },
    },
  }),
];
