/** Lesson 5: a gate as a half-life, its logarithm, and padding that must not fade the state. */
import { past, rows, sigmoid, zeros, zerosLike } from './arithmetic';
import { exercise } from './exercise';

/** ln γ = ln σ(z) / τ, and ln σ(z) = −softplus(−z), which never overflows when written so. */
const logGamma = (z: number, tau: number): number =>
  (Math.min(z, 0) - Math.log1p(Math.exp(-Math.abs(z)))) / tau;
const halfLife = (z: number, tau: number): number => Math.LN2 / -logGamma(z, tau);

interface Turn {
  k: number[][];
  v: number[][];
  gammas: number[];
}
interface Choices {
  isReal?: (n: number, padding: number, length: number) => boolean;
  writes?: (isReal: boolean) => boolean;
  /** The gate that a padding token gets. */
  paddingGate?: (gamma: number) => number;
}
type StateAfter = (turn: Turn, padding: number, state: number[][]) => number[][];
const stateAfter =
  ({
    isReal = (n, padding) => n >= padding,
    writes = (real) => real,
    paddingGate = () => 1,
  }: Choices = {}): StateAfter =>
  ({ k, v, gammas }, padding, state) => {
    let S = state;
    for (const [n, gamma] of gammas.entries()) {
      const real = isReal(n, padding, gammas.length);
      const keep = real ? gamma : paddingGate(gamma);
      const add = writes(real) ? 1 : 0;
      S = S.map((row, i) => row.map((s, d) => keep * s + add * k[n][i] * v[n][d]));
    }
    return S;
  };
const twoTokens: Turn = {
  k: [
    [1, 0],
    [1, 2],
  ],
  v: [
    [3, 4],
    [1, 2],
  ],
  gammas: [0.5, 0.25],
};
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
      'no temperature': [0, 1],
      'a logit of 0': [0, 16],
      'a gate that forgets': [-4, 16],
      'a gate that keeps': [4, 16],
      'another temperature': [2, 8],
    },
    mistakes: {
      'temperature forgotten': {
        wrong: (z) => halfLife(z, 1),
        hint: 'Right without a temperature. γ = σ(z)^(1/τ): what does τ do to ln γ?',
      },
      'τ on the wrong side': {
        wrong: (z, tau) => halfLife(z, 1) / tau,
        hint: 'Your half-life shrinks with τ. ln γ = ln σ(z) / τ, and ln γ is the divisor.',
      },
      'temperature inside the sigmoid': {
        wrong: (z, tau) => halfLife(z / tau, 1),
        hint: 'The τ-th root is taken *after* the sigmoid: z = 0 should last τ tokens.',
      },
      'temperature as a divisor': {
        wrong: (z, tau) => Math.LN2 / -Math.log(sigmoid(z) / tau),
        hint: 'γ is the τ-th root of σ(z), not σ(z) / τ: a root brings it closer to 1.',
      },
      'upside down': {
        wrong: (z, tau) => 1 / halfLife(z, tau),
        hint: 'Upside down: a gate closer to 1 should have a longer half-life.',
      },
      'time to 1/e': {
        wrong: (z, tau) => 1 / -logGamma(z, tau),
        hint: 'That is when 1/e is left. Which factor is missing for one half?',
      },
      'sign lost': {
        wrong: (z, tau) => -halfLife(z, tau),
        hint: 'A half-life is positive. Both logarithms are negative; one has lost its sign.',
      },
      'the share that is left': {
        wrong: (z, tau) => Math.exp(logGamma(z, tau)),
        hint: 'That is γ itself, what one step leaves. After how many steps is one half left?',
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
      'a logit of 0': [0, 16],
      'a positive logit': [5, 16],
      'a negative logit': [-5, 16],
      'a very negative logit': [-800, 16],
      'a very large logit': [800, 16],
      'no temperature': [-3, 1],
    },
    mistakes: {
      'the sigmoid underflows': {
        wrong: (z, tau) => Math.log(sigmoid(z)) / tau,
        hint:
          'Right as long as σ(z) is not 0 in the machine; at z = −800 it is. What is ln σ(z) for ' +
          'very negative z? Write it so that exp gets no positive number.',
      },
      'overflow at the other end': {
        wrong: (z, tau) => (z - Math.log(1 + Math.exp(z))) / tau,
        hint: 'Right for negative z, but exp(800) is Infinity. Choose the form by the sign of z.',
      },
      'softplus of z instead of −z': {
        wrong: (z, tau) => logGamma(-z, tau),
        hint:
          'A large logit should give a number close to 0; yours does so for a very negative one: ' +
          'ln σ(z) = −softplus(−z).',
      },
      'minus forgotten': {
        wrong: (z, tau) => -logGamma(z, tau),
        hint: 'γ is below 1, so its logarithm is negative: a minus is missing.',
      },
      'temperature forgotten': {
        wrong: (z) => logGamma(z, 1),
        hint: 'That is ln σ(z). A τ-th root is a division in logarithms.',
      },
      'temperature multiplied': {
        wrong: (z, tau) => logGamma(z, 1) * tau,
        hint: 'Multiplying by τ makes the gate forget τ times faster. It should be slower.',
      },
      'temperature inside the sigmoid': {
        wrong: (z, tau) => logGamma(z / tau, 1),
        hint: 'You divide the logit by τ: divide the logarithm. At z = 0, γ is ½ to the power 1/τ.',
      },
      'not a logarithm': {
        wrong: (z, tau) => Math.exp(logGamma(z, tau)),
        hint: 'That is γ. Its logarithm is asked for: a number that is never positive.',
      },
    },
  }),
  exercise({
    id: '05-silence',
    title: 'Padding must not fade the state',
    difficulty: 3,
    signature:
      'stateAfter(turn: { k: number[][]; v: number[][]; gammas: number[] }, ' +
      'padding: number, state: number[][]): number[][]',
    reference: stateAfter(),
    cases: {
      'one token, no padding': [{ k: [[1, 2]], v: [[3, 4]], gammas: [0.5] }, 0, past],
      'one token, all padding': [{ k: [[1, 2]], v: [[3, 4]], gammas: [0.5] }, 1, past],
      'one of padding, one real': [twoTokens, 1, past],
      'two of padding, three real': [turn(3, [0.9, 0.5, 0.7, 0.8, 0.6]), 2, rows(2, 2, 7)],
      'a first turn': [turn(4, [0.5, 0.9, 0.8]), 1, zeros],
    },
    mistakes: {
      'padding decays': {
        wrong: stateAfter({ paddingGate: (gamma) => gamma }),
        hint:
          'Padding decays: it writes nothing, but its gates still fade what earlier turns left. ' +
          'In a first turn this does not show.',
      },
      'gate 0 on padding': {
        wrong: stateAfter({ paddingGate: () => 0 }),
        hint: 'A gate of 0 erases the state. What is 0 on padding is ln γ: which γ is that?',
      },
      'padding writes': {
        wrong: stateAfter({ writes: () => true }),
        hint: 'Padding writes: its gates are right, but its keys and values enter the state.',
      },
      'padding ignored': {
        wrong: stateAfter({ isReal: () => true }),
        hint: 'The number of padding tokens is not used: they write and fade like real ones.',
      },
      'padding on the right': {
        wrong: stateAfter({ isReal: (n, padding, length) => n < length - padding }),
        hint: 'You leave out the last tokens. Padding stands in front: rows end together.',
      },
      'off by one': {
        wrong: stateAfter({ isReal: (n, padding) => n > padding }),
        hint: 'Off by one: with padding = 2 tokens 0 and 1 are padding, and token 2 is real.',
      },
      'state not carried': {
        wrong: (turn, padding, S) => stateAfter()(turn, padding, zerosLike(S)),
        hint: 'State not carried: what earlier turns left is not in your result.',
      },
    },
  }),
];
