/** Lesson 5: a gate as a half-life, its logarithm, and silence that must not fade. */
import { exercise, numbers, rows, sigmoid } from './exercise';

/** ln γ = ln σ(z) / τ, and ln σ(z) = −softplus(−z), which never overflows when written so. */
const logGamma = (z: number, tau: number): number =>
  (Math.min(z, 0) - Math.log1p(Math.exp(-Math.abs(z)))) / tau;
const halfLife = (z: number, tau: number): number => Math.LN2 / -logGamma(z, tau);

interface Turn {
  k: number[][];
  v: number[][];
  gammas: number[];
}
/** Walks over the turn; `writes` and `fades` say whether token n does. */
const walked = (
  { k, v, gammas }: Turn,
  state: number[][],
  writes: (n: number) => boolean,
  fades: (n: number) => boolean,
): number[][] =>
  gammas.reduce(
    (S, gamma, n) =>
      S.map((row, i) =>
        row.map((s, d) => (fades(n) ? gamma : 1) * s + (writes(n) ? k[n][i] * v[n][d] : 0)),
      ),
    state,
  );
const always = (): boolean => true;
const turn = (seed: number, gammas: number[]): Turn => ({
  k: rows(gammas.length, 2, seed),
  v: rows(gammas.length, 2, seed + 1),
  gammas,
});

export const lesson05 = [
  exercise({
    id: '05-half-life',
    title: 'A gate is a half-life',
    difficulty: 1,
    signature: 'halfLife(z: number, tau: number): number',
    reference: halfLife,
    cases: {
      'undecided, no temperature': [0, 1],
      'undecided, τ = 16': [0, 16],
      'wants to forget': [-4, 16],
      'wants to keep': [4, 16],
      'another temperature': [2, 8],
    },
    mistakes: {
      'temperature forgotten': {
        wrong: (z) => halfLife(z, 1),
        hint: 'Right without a temperature. τ makes the gate γ = σ(z)^(1/τ): what does that do to ln γ?',
      },
      'temperature inside the sigmoid': {
        wrong: (z, tau) => halfLife(z / tau, 1),
        hint: 'You divide the logit by τ before the sigmoid. The τ-th root is taken after it; an undecided gate should last τ tokens.',
      },
      'temperature as a divisor': {
        wrong: (z, tau) => Math.LN2 / -Math.log(sigmoid(z) / tau),
        hint: 'γ is the τ-th root of the sigmoid, not the sigmoid divided by τ: a root pulls towards 1, a division towards 0.',
      },
      'time to 1/e': {
        wrong: (z, tau) => 1 / -logGamma(z, tau),
        hint: 'That is the time after which 1/e is left. Half should be left: every number of yours is too large by the same factor.',
      },
      'sign lost': {
        wrong: (z, tau) => -halfLife(z, tau),
        hint: 'A half-life is positive, and both logarithms are negative. One of the two lost its sign.',
      },
      'the share that is left': {
        wrong: (z, tau) => Math.exp(logGamma(z, tau)),
        hint: 'That is γ itself, what one step leaves. How many steps leave one half?',
      },
    },
  }),
  exercise({
    id: '05-log-gate',
    title: 'The logarithm of a gate, whatever its logit',
    difficulty: 2,
    signature: 'logGamma(z: number, tau: number): number',
    reference: logGamma,
    cases: {
      undecided: [0, 16],
      open: [5, 16],
      closing: [-5, 16],
      'shut tight': [-800, 16],
      'wide open': [800, 16],
      'no temperature': [-3, 1],
    },
    mistakes: {
      'the sigmoid underflows': {
        wrong: (z, tau) => Math.log(sigmoid(z)) / tau,
        hint: 'Right as long as σ(z) is not 0 in the machine. At z = −800 it is, and its logarithm −∞. What is ln σ(z) when z is very negative? Write it so that exp only ever sees negative numbers.',
      },
      'overflow at the other end': {
        wrong: (z, tau) => (z - Math.log(1 + Math.exp(z))) / tau,
        hint: 'You have saved the negative end, and lost the positive one: exp(800) is infinite. Choose the form by the sign of z.',
      },
      'temperature forgotten': {
        wrong: (z) => logGamma(z, 1),
        hint: 'That is ln σ(z). A τ-th root is a division in logarithms.',
      },
      'temperature multiplied': {
        wrong: (z, tau) => logGamma(z, 1) * tau,
        hint: 'Multiplying by τ makes the gate forget τ times faster. It should do so more slowly.',
      },
      'temperature inside the sigmoid': {
        wrong: (z, tau) => logGamma(z / tau, 1),
        hint: 'You divide the logit by τ; divide the logarithm. At z = 0 an undecided gate should be ½ to the power 1/τ.',
      },
      'not a logarithm': {
        wrong: (z, tau) => Math.exp(logGamma(z, tau)),
        hint: 'That is γ. Its logarithm was asked for: a number that is never positive.',
      },
    },
  }),
  exercise({
    id: '05-silence',
    title: 'Silence is not forgetting',
    difficulty: 3,
    signature:
      'stateAfter(turn: { k: number[][]; v: number[][]; gammas: number[] }, padding: number, state: number[][]): number[][]',
    reference: (x: Turn, padding: number, state: number[][]) =>
      walked(
        x,
        state,
        (n) => n >= padding,
        (n) => n >= padding,
      ),
    cases: {
      'no padding': [turn(1, [0.5, 0.8]), 0, rows(2, 2, 5)],
      'nothing but padding': [turn(2, [0.5, 0.8]), 2, rows(2, 2, 6)],
      'two silent, three spoken': [turn(3, [0.9, 0.5, 0.7, 0.8, 0.6]), 2, rows(2, 2, 7)],
      'a first turn': [turn(4, [0.5, 0.9, 0.8]), 1, [numbers(2, 1).map(() => 0), [0, 0]]],
    },
    mistakes: {
      'padding decays': {
        wrong: (x, padding, S) => walked(x, S, (n) => n >= padding, always),
        hint: 'Padding decays: it writes nothing, but its gates still fade what was said in earlier turns. In a first turn nobody notices.',
      },
      'padding writes': {
        wrong: (x, padding, S) => walked(x, S, always, (n) => n >= padding),
        hint: 'Padding writes: its gates are silent, but its keys and values enter the state.',
      },
      'padding ignored': {
        wrong: (x, _, S) => walked(x, S, always, always),
        hint: 'The number of padded tokens is not used: they write and they fade, like words.',
      },
      'padding on the right': {
        wrong: (x, padding, S) => {
          const spoken = (n: number): boolean => n < x.gammas.length - padding;
          return walked(x, S, spoken, spoken);
        },
        hint: 'You have silenced the last tokens. The padding stands in front: rows of a batch end together.',
      },
      'off by one': {
        wrong: (x, padding, S) => {
          const spoken = (n: number): boolean => n > padding;
          return walked(x, S, spoken, spoken);
        },
        hint: 'Off by one: with padding = 2 the tokens 0 and 1 are silent, and token 2 is the first that speaks.',
      },
      'state not carried': {
        wrong: (x, padding, S) => {
          const spoken = (n: number): boolean => n >= padding;
          return walked(
            x,
            S.map((row) => row.map(() => 0)),
            spoken,
            spoken,
          );
        },
        hint: 'State not carried: what earlier turns left is not in your result.',
      },
    },
  }),
];
