/** Lesson 14: from the weights of a Transformer to those of a YOCO. */
import { inParts, inTurn, mean, rows, softmax, total, transposed } from './arithmetic';
import { alike } from './compare';
import { exercise } from './exercise';

const everyPart = ['q', 'k', 'v', 'o', 'ffn'];
/** What a layer of the new model has of its own. */
const ownParts = (layer: number, layers: number): string[] =>
  layer < layers / 2 ? everyPart : ['q', 'o', 'ffn'];

const lengthOf = (head: number[]): number => Math.hypot(...head);
const meanHead = (heads: number[][]): number[] => transposed(heads).map(mean);

const divergence = (p: number[], q: number[]): number =>
  total(p.map((x, i) => (x > 0 ? x * Math.log(x / q[i]) : 0)));
type Distillation = (teacher: number[], student: number[], temperature: number) => number;
const distillation: Distillation = (teacher, student, temperature) =>
  divergence(softmax(teacher, temperature), softmax(student, temperature));

export const lesson14 = [
  exercise({
    id: '14-take',
    title: 'Which weights have a place?',
    difficulty: 1,
    signature: 'taken(layer: number, layers: number): string[]',
    reference: ownParts,
    cases: {
      'the lowest layer': [0, 4],
      'the last of the lower half': [1, 4],
      'the first of the upper half': [2, 4],
      'the top': [25, 26],
    },
    mistakes: {
      'boundary off by one': {
        wrong: (layer, layers) => ownParts(layer - 1, layers),
        hint: 'Off by one: layers are counted from 0, so of four, 0 and 1 are the lower half.',
      },
      everything: {
        wrong: () => everyPart,
        hint: 'Every layer has everything. What does a layer not make that reads a shared cache?',
      },
      'halves exchanged': {
        wrong: (layer, layers) => ownParts(layers - 1 - layer, layers),
        hint: 'The halves are exchanged: the upper one reads the shared cache.',
      },
      'no query above': {
        wrong: (layer, layers) => (layer < layers / 2 ? everyPart : ['o', 'ffn']),
        hint: 'Keys and values are shared above; each layer has its own query matrix.',
      },
    },
  }),
  exercise({
    id: '14-merge',
    title: 'Fewer key heads from many',
    difficulty: 2,
    signature: 'mergeHeads(heads: number[][], groups: number): number[][]',
    reference: (heads: number[][], groups: number) => inParts(heads, groups).map(meanHead),
    cases: {
      'four heads into two': [
        [
          [1, 2],
          [3, 4],
          [10, 20],
          [30, 40],
        ],
        2,
      ],
      'all into one': [rows(3, 4, 1), 1],
      'nothing to merge': [rows(3, 2, 2), 3],
      'six into two': [rows(6, 3, 3), 2],
    },
    mistakes: {
      'heads in turn': {
        wrong: (heads, groups) => inTurn(heads, groups).map(meanHead),
        hint: 'You merge every so many heads. Neighbours share a key head (lesson 7).',
      },
      'sum instead of mean': {
        wrong: (heads, groups) =>
          inParts(heads, groups).map((group) => transposed(group).map(total)),
        hint:
          'You sum the heads, so that scores grow with the number of members. What is between ' +
          'them?',
      },
      'the first of each group': {
        wrong: (heads, groups) => inParts(heads, groups).map(([first]) => first),
        hint: 'You keep the first head of each group. The others should count as much.',
      },
      'rescaled to the length of one': {
        wrong: (heads, groups) =>
          inParts(heads, groups).map((group) => {
            const merged = meanHead(group);
            const factor = mean(group.map(lengthOf)) / lengthOf(merged);
            return merged.map((x) => x * factor);
          }),
        hint:
          'You have made the mean as long again as its members are. That is worth trying, and is ' +
          'not what is asked for: give the mean as it is.',
      },
      'heads per group': {
        wrong: (heads, groups) => inParts(heads, heads.length / groups).map(meanHead),
        hint: 'There should be `groups` heads in the end; you have made groups of that size.',
      },
      'wrong axis': {
        wrong: (heads, groups) => inParts(heads, groups).map((group) => group.map(mean)),
        hint:
          'Wrong axis: you take the mean over the features of a head. ' +
          'Take it over the heads of a group, feature by feature.',
      },
    },
  }),
  exercise({
    id: '14-distil',
    title: 'Learning from a teacher',
    difficulty: 3,
    signature: 'distillation(teacher: number[], student: number[], temperature: number): number',
    reference: distillation,
    cases: {
      'they agree': [[1, 2, 3], [1, 2, 3], 1],
      'sure teacher, unsure student': [[4, 0], [0, 0], 1],
      'unsure teacher, sure student': [[0, 0], [4, 0], 1],
      'three tokens': [[2, 1, 0], [0, 1, 1], 1],
      'temperature 3': [[2, 1, 0], [0, 1, 1], 3],
    },
    properties: {
      'never negative': (f) => f([1, 0, 3], [2, 2, -1], 1) > 0,
      'adding 5 to every logit changes nothing': (f) =>
        alike(f([1, 0], [2, 3], 1), f([6, 5], [2, 3], 1)),
    },
    mistakes: {
      'teacher and student exchanged': {
        wrong: (teacher, student, temperature) => distillation(student, teacher, temperature),
        hint:
          'The roles are exchanged: the factor before the logarithm is the probability of the ' +
          'teacher. KL is not symmetric.',
      },
      'temperature forgotten': {
        wrong: (teacher, student) => distillation(teacher, student, 1),
        hint: 'Right at temperature 1. The temperature is not used.',
      },
      'temperature for the teacher only': {
        wrong: (teacher, student, temperature) =>
          divergence(softmax(teacher, temperature), softmax(student)),
        hint: 'Only the teacher has the temperature, so a student that agrees is not at 0.',
      },
      'cross-entropy': {
        wrong: (teacher, student, temperature) => {
          const q = softmax(student, temperature);
          return -total(softmax(teacher, temperature).map((p, i) => p * Math.log(q[i])));
        },
        hint: 'Cross-entropy is not 0 when they agree. Which probability is missing in the log?',
      },
      'times T²': {
        wrong: (teacher, student, temperature) =>
          temperature ** 2 * distillation(teacher, student, temperature),
        hint:
          'Right at temperature 1. The T² of the lesson belongs to the mixture with the text’s ' +
          'loss; here only the divergence is asked for.',
      },
      'in bits': {
        wrong: (...args) => distillation(...args) / Math.LN2,
        hint: 'Every number is 1/ln 2 times too large: you measure in bits, the course in nats.',
      },
      'squared logits': {
        wrong: (teacher, student) => total(teacher.map((x, i) => (x - student[i]) ** 2)),
        hint: 'You compare logits. Adding 5 to all of them changes no probability.',
      },
      'sign lost': {
        wrong: (...args) => -distillation(...args) || 0,
        hint: 'A divergence is never negative: which probability stands above the line?',
      },
    },
  }),
];
