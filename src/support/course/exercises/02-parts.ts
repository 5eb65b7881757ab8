/** Lesson 2: norm, gate, rotation. */
import {
  rmsNormByDefinition,
  rotaryByDefinition,
  swigluByDefinition,
  swishByDefinition,
} from '../../../layers/definition';
import { dot, mean, numbers, sigmoid, total } from './arithmetic';
import { alike } from './compare';
import { exercise } from './exercise';

const norm = (x: number[], eps: number): number[] => rmsNormByDefinition(x, eps);
const squares = (x: number[]): number[] => x.map((y) => y * y);
const gatedBy =
  (gateFunction: (z: number) => number) =>
  (gate: number[], x: number[]): number[] =>
    gate.map((z, i) => gateFunction(z) * x[i]);
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
      'a mean far from 0': [[5, 6, 7, 8], 1e-5],
      'eight features': [numbers(8, 1), 1e-5],
      'very small features': [[1e-3, -1e-3], 1e-5],
      'all zeros': [[0, 0, 0], 1e-5],
    },
    properties: {
      'twice the vector gives the same': (f) => alike(f([6, 8], 0), f([3, 4], 0)),
    },
    mistakes: {
      'mean subtracted': {
        wrong: (x, eps) =>
          norm(
            x.map((y) => y - mean(x)),
            eps,
          ),
        hint: 'You subtract the mean first: that is LayerNorm. RMSNorm keeps the direction.',
      },
      'sum instead of mean': {
        wrong: (x, eps) => x.map((y) => y / Math.sqrt(total(squares(x)) + eps)),
        hint: 'The sum of your squares is 1. Their *mean* should be, whatever the width.',
      },
      'eps forgotten': {
        wrong: (x) => norm(x, 0),
        hint: 'Right unless all features are small or 0 (0/0 is NaN). Where does eps stand?',
      },
      'eps outside the root': {
        wrong: (x, eps) => x.map((y) => y / (Math.sqrt(mean(squares(x))) + eps)),
        hint: 'You add eps after the root, where it hardly counts. It belongs under the root.',
      },
      'root forgotten': {
        wrong: (x, eps) => x.map((y) => y / (mean(squares(x)) + eps)),
        hint: 'You divide by the mean square. Twice the vector then gives half: what is missing?',
      },
      'mean of the absolute values': {
        wrong: (x, eps) => x.map((y) => y / (mean(x.map(Math.abs)) || Math.sqrt(eps))),
        hint: 'You divide by the mean absolute value. RMS is the root of the mean of the squares.',
      },
    },
  }),
  exercise({
    id: '02-swiglu',
    title: 'SwiGLU: a learned gate',
    difficulty: 1,
    signature: 'swiglu(gate: number[], x: number[]): number[]',
    reference: swigluByDefinition,
    cases: {
      'a gate of 0': [[0], [5]],
      'a large gate': [[20], [2]],
      'a very negative gate': [[-20], [2]],
      'six features': [numbers(6, 1).map((z) => 3 * z), numbers(6, 2)],
    },
    mistakes: {
      'sigmoid only': {
        wrong: gatedBy(sigmoid),
        hint: 'Your gate is the sigmoid: that is GLU. swish(z) is z times the sigmoid of z.',
      },
      'gate on the wrong branch': {
        wrong: (gate, x) => swigluByDefinition(x, gate),
        hint: 'The branches are exchanged: swish belongs on the gate only.',
      },
      'swish on both': {
        wrong: (gate, x) => swigluByDefinition(gate, x.map(swishByDefinition)),
        hint: 'You take swish of both branches. Only the gate has one.',
      },
      relu: {
        wrong: gatedBy((z) => Math.max(0, z)),
        hint: 'That is ReLU, which is 0 below 0. Swish is slightly negative there.',
      },
      'swish alone': {
        wrong: (gate) => gate.map(swishByDefinition),
        hint: 'The gate is right. What does it multiply?',
      },
      'gate as a shift': {
        wrong: (gate, x) => gate.map((z, i) => swishByDefinition(z) + x[i]),
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
      'two pairs, quarter and half turns': [[1, 2, 3, 4], 1, [Math.PI / 2, Math.PI]],
      'two pairs, position 3': [[1, 2, 3, 4], 3, [1, 0.1]],
      'three pairs, position 7': [numbers(6, 1), 7, [1, 0.3, 0.01]],
    },
    properties: {
      'a score depends on the distance only': (f) => {
        const score = (n: number, m: number): number =>
          dot(f([1, 2, 3, 4], n, [1, 0.2]), f([4, -1, 2, 0], m, [1, 0.2]));
        return alike(score(5, 2), score(105, 102));
      },
      'the length stays': (f) => alike(Math.hypot(...f([3, 4], 11, [0.7])), 5),
    },
    mistakes: {
      'half-split pairs': {
        wrong: (x, position, speeds) => rotaryByDefinition(x, position, speeds, 'half-split'),
        hint: 'You pair feature i with i + D/2, as Llama does. YOCO pairs neighbours: 0 with 1.',
      },
      clockwise: {
        wrong: (x, position, speeds) => rotate(x, -position, speeds),
        hint: 'You rotate clockwise: look at the signs of the sines. [1, 0] should become [0, 1].',
      },
      'position off by one': {
        wrong: (x, position, speeds) => rotate(x, position + 1, speeds),
        hint: 'Off by one: the first token has position 0 and is not rotated at all.',
      },
      'position forgotten': {
        wrong: (x, _, speeds) => rotate(x, 1, speeds),
        hint: 'You rotate every position by the same angle. The angle is position times speed.',
      },
      'one speed for all': {
        wrong: (x, position, speeds) => {
          const first = speeds.map(() => speeds[0]);
          return rotate(x, position, first);
        },
        hint: 'You rotate all pairs at the speed of the first. Each pair has a speed of its own.',
      },
      'the new x used for y': {
        wrong: (x, position, speeds) => {
          const out = [...x];
          for (const [i, speed] of speeds.entries()) {
            const [cos, sin] = [Math.cos(position * speed), Math.sin(position * speed)];
            out[2 * i] = out[2 * i] * cos - out[2 * i + 1] * sin;
            out[2 * i + 1] = out[2 * i] * sin + out[2 * i + 1] * cos;
          }
          return out;
        },
        hint: 'You compute y from the x that is rotated already. Both need the old values.',
      },
    },
  }),
];
