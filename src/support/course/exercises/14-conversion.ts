/** Lesson 14: from the weights of a Transformer to those of a YOCO. */
import { exercise, rows, total, transposed } from './exercise';

const mean = (vectors: number[][]): number[] =>
  transposed(vectors).map((column) => total(column) / column.length);
const chunked = (heads: number[][], groups: number): number[][][] =>
  Array.from({ length: groups }, (_, g) =>
    heads.slice((g * heads.length) / groups, ((g + 1) * heads.length) / groups),
  );
const softmax = (logits: number[], T: number): number[] => {
  const e = logits.map((x) => Math.exp((x - Math.max(...logits)) / T));
  return e.map((x) => x / total(e));
};
const divergence = (p: number[], q: number[]): number =>
  total(p.map((x, i) => (x > 0 ? x * Math.log(x / q[i]) : 0)));

/** What a layer of the new model takes from the old one. */
const taken = (layer: number, layers: number): string[] => {
  const own = ['q', 'o', 'ffn'];
  if (layer < layers / 2) return ['q', 'k', 'v', 'o', 'ffn'];
  return own;
};

export const lesson14 = [
  exercise({
    id: '14-take',
    title: 'Which weights have a place?',
    difficulty: 1,
    signature: 'taken(layer: number, layers: number): string[]',
    reference: taken,
    cases: {
      'the lowest layer': [0, 4],
      'the last of the lower half': [1, 4],
      'the first of the upper half': [2, 4],
      'the top': [25, 26],
    },
    mistakes: {
      'boundary off by one': {
        wrong: (layer, layers) => taken(layer - 1, layers),
        hint: 'Off by one: layers are counted from 0, so of four layers 0 and 1 are the lower half.',
      },
      everything: {
        wrong: () => ['q', 'k', 'v', 'o', 'ffn'],
        hint: 'Every layer takes everything. What do layers not make for themselves that only read a shared cache?',
      },
      'halves exchanged': {
        wrong: (layer, layers) => taken(layers - 1 - layer, layers),
        hint: 'The halves are exchanged: the upper one reads the shared cache.',
      },
      'no question above': {
        wrong: (layer, layers) =>
          taken(layer, layers).filter((name) => layer < layers / 2 || name !== 'q'),
        hint: 'Keys and values are shared above; questions are not: each layer asks its own.',
      },
    },
  }),
  exercise({
    id: '14-merge',
    title: 'Fewer key heads from many',
    difficulty: 2,
    signature: 'mergeHeads(heads: number[][], groups: number): number[][]',
    reference: (heads: number[][], groups: number) => chunked(heads, groups).map(mean),
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
      'dealt out in turn': {
        wrong: (heads, groups) =>
          Array.from({ length: groups }, (_, g) => mean(heads.filter((_, h) => h % groups === g))),
        hint: 'You merge every second head. Neighbours share a key head (lesson 7), so neighbours are merged.',
      },
      'sum instead of mean': {
        wrong: (heads, groups) => chunked(heads, groups).map((part) => transposed(part).map(total)),
        hint: 'You add the heads: keys become longer with the size of the group, and every softmax sharper.',
      },
      'the first of each group': {
        wrong: (heads, groups) => chunked(heads, groups).map((part) => part[0]),
        hint: 'You keep the first head of each group and throw the others away.',
      },
      'heads per group': {
        wrong: (heads, groups) => chunked(heads, heads.length / groups).map(mean),
        hint: 'There should be `groups` heads in the end; you have made groups of that size.',
      },
      'wrong axis': {
        wrong: (heads, groups) =>
          chunked(heads, groups).map((part) => part.map((head) => total(head) / head.length)),
        hint: 'Wrong axis: you take the mean over the features of a head. Take it over the heads of a group, feature by feature.',
      },
    },
  }),
  exercise({
    id: '14-distil',
    title: 'Learning from a teacher',
    difficulty: 3,
    signature: 'distillation(teacher: number[], student: number[], temperature: number): number',
    reference: (teacher: number[], student: number[], T: number) =>
      divergence(softmax(teacher, T), softmax(student, T)),
    cases: {
      'they agree': [[1, 2, 3], [1, 2, 3], 1],
      'sure against unsure': [[4, 0], [0, 0], 1],
      'unsure against sure': [[0, 0], [4, 0], 1],
      'three tokens': [[2, 1, 0], [0, 1, 1], 1],
      warm: [[2, 1, 0], [0, 1, 1], 3],
    },
    laws: {
      'never negative': (f) => f([1, 0, 3], [2, 2, -1], 1) > 0,
      'adding 5 to every logit changes nothing': (f) =>
        Math.abs(f([1, 0], [2, 3], 1) - f([6, 5], [2, 3], 1)) < 1e-9,
    },
    mistakes: {
      'teacher and student exchanged': {
        wrong: (t, s, T) => divergence(softmax(s, T), softmax(t, T)),
        hint: 'The roles are exchanged: the weights in front of the logarithm are those of the teacher. KL is not symmetric.',
      },
      'temperature forgotten': {
        wrong: (t, s) => divergence(softmax(t, 1), softmax(s, 1)),
        hint: 'Right at temperature 1. It is not used.',
      },
      'temperature for the teacher only': {
        wrong: (t, s, T) => divergence(softmax(t, T), softmax(s, 1)),
        hint: 'Only the teacher is warmed. A student that agrees with it would be punished.',
      },
      'cross-entropy': {
        wrong: (t, s, T) => {
          const q = softmax(s, T);
          return -total(softmax(t, T).map((p, i) => p * Math.log(q[i])));
        },
        hint: "That is the cross-entropy: it is not 0 when they agree. Subtract the teacher's own entropy, or put its probability under the logarithm.",
      },
      'squared logits': {
        wrong: (t, s) => total(t.map((x, i) => (x - s[i]) ** 2)),
        hint: 'You compare logits. Adding 5 to all of them changes no probability, but changes your result.',
      },
      'sign lost': {
        wrong: (t, s, T) => -divergence(softmax(t, T), softmax(s, T)) || 0,
        hint: 'A divergence is never negative: which probability stands above the line?',
      },
    },
  }),
];
