/** Lesson 2: norm, gate, rotation. */
import {
  rmsNormByDefinition,
  rotaryByDefinition,
  swishByDefinition,
} from '../../../layers/definition';
import { exercise, numbers, sigmoid, total } from './exercise';

const norm = (x: number[], eps: number): number[] => rmsNormByDefinition(x, eps);
const gated = (gate: number[], x: number[], f = swishByDefinition): number[] =>
  gate.map((g, i) => f(g) * x[i]);
const rotate = (x: number[], position: number, speeds: number[]): number[] =>
  rotaryByDefinition(x, position, speeds, 'interleaved');

export const lesson02 = [
  exercise({
    id: '02-norm',
    title: 'RMSNorm',
    difficulty: 1,
    signature: 'rmsNorm(x: number[], eps: number): number[]',
    reference: norm,
    cases: {
      'three and four': [[3, 4], 0],
      'eight features': [numbers(8, 1), 1e-5],
      'not centred': [[5, 6, 7, 8], 1e-5],
      'very quiet': [[1e-3, -1e-3], 1e-5],
      silence: [[0, 0, 0], 1e-5],
    },
    laws: {
      'twice as loud gives the same': (f) =>
        f([6, 8], 0).every((y, i) => Math.abs(y - f([3, 4], 0)[i]) < 1e-9),
    },
    mistakes: {
      'mean subtracted': {
        wrong: (x, eps) =>
          norm(
            x.map((y) => y - total(x) / x.length),
            eps,
          ),
        hint: 'You subtract the mean first: that is LayerNorm. RMSNorm keeps the direction and changes the length only.',
      },
      'sum instead of mean': {
        wrong: (x, eps) => x.map((y) => y / Math.sqrt(total(x.map((z) => z * z)) + eps)),
        hint: 'Your result has length 1. The *mean* of the squares should be 1, so that features keep their size in wide models.',
      },
      'eps forgotten': {
        wrong: (x) => norm(x, 0),
        hint: 'Right, until somebody is silent: 0/0 is NaN. Where does eps stand?',
      },
      'eps outside the root': {
        wrong: (x, eps) =>
          x.map((y) => y / (Math.sqrt(total(x.map((z) => z * z)) / x.length) + eps)),
        hint: 'eps is added after the root, where it is far too small to matter for a quiet vector. It belongs under it.',
      },
      'root forgotten': {
        wrong: (x, eps) => x.map((y) => y / (total(x.map((z) => z * z)) / x.length + eps)),
        hint: 'You divide by the mean square. A vector twice as long then becomes half as long: what is missing?',
      },
      'mean of the absolute values': {
        wrong: (x, eps) => x.map((y) => y / (total(x.map(Math.abs)) / x.length || Math.sqrt(eps))),
        hint: 'You divide by the mean size. RMS is root, mean, square, read from right to left.',
      },
    },
  }),
  exercise({
    id: '02-swiglu',
    title: 'SwiGLU: a gate with an opinion',
    difficulty: 1,
    signature: 'swiglu(gate: number[], x: number[]): number[]',
    reference: (gate: number[], x: number[]) => gated(gate, x),
    cases: {
      'a gate of 0': [[0], [5]],
      'wide open': [[20], [2]],
      shut: [[-20], [2]],
      'six features': [numbers(6, 1).map((z) => 3 * z), numbers(6, 2)],
    },
    mistakes: {
      'sigmoid only': {
        wrong: (gate, x) => gated(gate, x, sigmoid),
        hint: 'Your gate is the sigmoid: that is GLU. swish(z) is z times the sigmoid of z, so a wide open gate lets through more than all.',
      },
      'gate on the wrong branch': {
        wrong: (gate, x) => gated(x, gate),
        hint: 'A role has been exchanged: swish belongs on the gate, the other branch goes in as it is.',
      },
      'swish on both': {
        wrong: (gate, x) => gated(gate, x.map(swishByDefinition)),
        hint: 'Swish is taken of both branches. Only the gate has one.',
      },
      relu: {
        wrong: (gate, x) => gated(gate, x, (z) => Math.max(0, z)),
        hint: 'Hard at zero: that is ReLU. Swish lets a little of the negative through.',
      },
      'swish alone': {
        wrong: (gate) => gate.map(swishByDefinition),
        hint: 'The gate is right. What does it gate?',
      },
      'gate as a shift': {
        wrong: (gate, x) => gate.map((g, i) => swishByDefinition(g) + x[i]),
        hint: '⊙ multiplies feature by feature; you add.',
      },
    },
  }),
  exercise({
    id: '02-rotate',
    title: 'A position is an angle',
    difficulty: 2,
    signature: 'rotate(x: number[], position: number, speeds: number[]): number[]',
    reference: rotate,
    cases: {
      'a quarter turn': [[1, 0], 1, [Math.PI / 2]],
      'position 0': [[1, 2, 3, 4], 0, [1, 0.1]],
      'two pairs, position 3': [[1, 2, 3, 4], 3, [1, 0.1]],
      'three pairs, position 7': [numbers(6, 1), 7, [1, 0.3, 0.01]],
    },
    laws: {
      'a score sees the distance only': (f) => {
        const score = (n: number, m: number): number =>
          f([1, 2, 3, 4], n, [1, 0.2]).reduce(
            (s, q, i) => s + q * f([4, -1, 2, 0], m, [1, 0.2])[i],
            0,
          );
        return Math.abs(score(5, 2) - score(105, 102)) < 1e-9;
      },
      'the length stays': (f) => Math.abs(Math.hypot(...f([3, 4], 11, [0.7])) - 5) < 1e-9,
    },
    mistakes: {
      'half-split pairs': {
        wrong: (x, position, speeds) => rotaryByDefinition(x, position, speeds, 'half-split'),
        hint: 'You pair feature i with i + D/2, as Llama does. YOCO pairs neighbours: 0 with 1, 2 with 3.',
      },
      'turned the other way': {
        wrong: (x, position, speeds) => rotate(x, -position, speeds),
        hint: 'You turn clockwise. A quarter turn should take [1, 0] to [0, 1]: look at the signs of the two sines.',
      },
      'position off by one': {
        wrong: (x, position, speeds) => rotate(x, position + 1, speeds),
        hint: 'Off by one: the first token stands at position 0 and is not turned at all.',
      },
      'position forgotten': {
        wrong: (x, _, speeds) => rotate(x, 1, speeds),
        hint: 'Every position is turned by the same angle. The angle is position times speed.',
      },
      'one speed for all': {
        wrong: (x, position, speeds) =>
          rotate(
            x,
            position,
            speeds.map(() => speeds[0]),
          ),
        hint: 'All pairs turn at the speed of the first. Each has its own, like the hands of a clock.',
      },
      'new x used for y': {
        wrong: (x, position, speeds) => {
          const y = [...x];
          speeds.forEach((speed, i) => {
            const a = position * speed;
            y[2 * i] = y[2 * i] * Math.cos(a) - y[2 * i + 1] * Math.sin(a);
            y[2 * i + 1] = y[2 * i] * Math.sin(a) + y[2 * i + 1] * Math.cos(a);
          });
          return y;
        },
        hint: 'The second feature is computed from the first after that one has been turned. Both need the old values.',
      },
    },
  }),
];
