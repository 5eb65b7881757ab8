/** Lesson 0: how an exercise works, and two numbers of the tour. */
import { exercise } from './exercise';

export const lesson00 = [
  exercise({
    id: '00-mean',
    title: 'How an exercise works',
    difficulty: 1,
    signature: 'mean(values: number[]): number',
    reference: (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length,
    cases: {
      'one value': [[5]],
      'three values': [[3, 6, 9]],
      'negative ones too': [[-2, 2, 6, 4]],
    },
    mistakes: {
      'not divided': {
        wrong: (values) => values.reduce((a, b) => a + b, 0),
        hint: 'That is the sum. How many values share it?',
      },
      'divided by one less': {
        wrong: (values) => values.reduce((a, b) => a + b, 0) / (values.length - 1),
        hint: 'Off by one: n values share the sum, not n − 1. (Statisticians do that for the variance.)',
      },
      'the first is left out': {
        wrong: (values) => values.slice(1).reduce((a, b) => a + b, 0) / values.length,
        hint: 'Your loop begins at index 1. Lists begin at 0.',
      },
      'the middle one': {
        wrong: (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)],
        hint: 'That is the median. For some lists it is the mean, too, but not for all.',
      },
    },
  }),
  exercise({
    id: '00-fade',
    title: 'What is left after some steps',
    difficulty: 1,
    signature: 'fade(value: number, gamma: number, steps: number): number',
    reference: (value: number, gamma: number, steps: number) => value * gamma ** steps,
    cases: {
      'no step': [8, 0.5, 0],
      'one step': [8, 0.5, 1],
      'three steps': [8, 0.5, 3],
      'nothing fades': [8, 1, 100],
      'a slow gate': [10, 0.99, 69],
    },
    mistakes: {
      'one step only': {
        wrong: (value, gamma) => value * gamma,
        hint: 'One step, however many were asked for: steps is not used.',
      },
      'one step too many': {
        wrong: (value, gamma, steps) => value * gamma ** (steps + 1),
        hint: 'Decay off by one: after no step at all, all of it is there.',
      },
      'one step too few': {
        wrong: (value, gamma, steps) => value * gamma ** Math.max(0, steps - 1),
        hint: 'Decay off by one: a single step should already fade.',
      },
      'multiplied by the steps': {
        wrong: (value, gamma, steps) => value * gamma * steps,
        hint: 'Fading twice is multiplying by γ twice, which is not multiplying by 2γ.',
      },
      'in a straight line': {
        wrong: (value, gamma, steps) => value * (1 - (1 - gamma) * steps),
        hint: 'You take away the same amount in every step. A fading memory loses the same *share* of what is left.',
      },
    },
  }),
  exercise({
    id: '00-ratio',
    title: 'How many times less to keep',
    difficulty: 2,
    signature: 'savings(layers: number, tokens: number, stateTokens: number): number',
    reference: (layers: number, tokens: number, stateTokens: number) =>
      (layers * tokens) / (tokens + (layers / 2) * stateTokens),
    cases: {
      'no state': [4, 100, 0],
      'a short text': [4, 100, 50],
      'a long text': [4, 1e6, 50],
      'a deep model': [26, 1e6, 64],
    },
    laws: {
      'for very long texts it is the number of layers': (f) => Math.abs(f(8, 1e12, 64) - 8) < 1e-6,
    },
    mistakes: {
      'upside down': {
        wrong: (layers, tokens, s) => (tokens + (layers / 2) * s) / (layers * tokens),
        hint: 'Upside down: that is the share that is still kept. How many times less is that?',
      },
      'a cache for each upper layer': {
        wrong: (layers, tokens, s) =>
          (layers * tokens) / ((layers / 2) * tokens + (layers / 2) * s),
        hint: 'You give each upper layer a cache of its own, and the ratio tends to 2. They all read the same one.',
      },
      'states forgotten': {
        wrong: (layers) => layers,
        hint: 'That is where the ratio tends to. Before that, the states of the lower half count, too.',
      },
      'states in every layer': {
        wrong: (layers, tokens, s) => (layers * tokens) / (tokens + layers * s),
        hint: 'Only the lower half keeps states. How many layers is that?',
      },
      'one state': {
        wrong: (layers, tokens, s) => (layers * tokens) / (tokens + s),
        hint: 'Each layer of the lower half keeps a state of its own.',
      },
    },
  }),
];
