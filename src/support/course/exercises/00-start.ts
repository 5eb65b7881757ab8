/** Lesson 0: how an exercise works, and two numbers of the tour. */
import { mean, total } from './arithmetic';
import { exercise } from './exercise';

export const lesson00 = [
  exercise({
    id: '00-mean',
    title: 'How an exercise works',
    difficulty: 1,
    signature: 'mean(values: number[]): number',
    reference: mean,
    cases: {
      'one value': [[5]],
      'three values': [[3, 6, 9]],
      'negative values too': [[-2, 2, 6, 4]],
    },
    mistakes: {
      'not divided': {
        wrong: total,
        hint: 'That is the sum. How many values share it?',
      },
      'divided by one less': {
        wrong: (values) => total(values) / (values.length - 1),
        hint: 'Off by one: divide by n, not by n − 1 (which is for the variance of a sample).',
      },
      'the first is left out': {
        wrong: (values) => total(values.slice(1)) / values.length,
        hint: 'Your loop begins at index 1. Lists begin at 0.',
      },
      'the median': {
        wrong: (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)],
        hint: 'That is the median. For some lists it equals the mean, but not for all.',
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
      'gamma is 1': [8, 1, 100],
      'gamma is close to 1': [10, 0.99, 69],
    },
    mistakes: {
      'one step only': {
        wrong: (value, gamma) => value * gamma,
        hint: 'That is one step, however many were asked for: steps is not used.',
      },
      'one step too many': {
        wrong: (value, gamma, steps) => value * gamma ** (steps + 1),
        hint: 'Off by one: after 0 steps all of the value is left.',
      },
      'one step too few': {
        wrong: (value, gamma, steps) => value * gamma ** Math.max(0, steps - 1),
        hint: 'Off by one: a single step already multiplies by γ.',
      },
      'multiplied by the steps': {
        wrong: (value, gamma, steps) => value * gamma * steps,
        hint: 'Two steps multiply by γ twice, which is not the same as multiplying by 2γ.',
      },
      'in a straight line': {
        wrong: (value, gamma, steps) => value * (1 - (1 - gamma) * steps),
        hint: 'You subtract the same amount in every step. A step keeps the same *share* instead.',
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
    properties: {
      'for very long texts it is the number of layers': (f) => Math.abs(f(8, 1e12, 64) - 8) < 1e-6,
    },
    mistakes: {
      'upside down': {
        wrong: (layers, tokens, state) => (tokens + (layers / 2) * state) / (layers * tokens),
        hint: 'Upside down: that is the share that is still kept. How many times less is it?',
      },
      'a cache for each upper layer': {
        wrong: (layers, tokens, state) =>
          (layers * tokens) / ((layers / 2) * tokens + (layers / 2) * state),
        hint: 'Your upper layers have a cache each, so the ratio tends to 2. They share one.',
      },
      'states forgotten': {
        wrong: (layers) => layers,
        hint: 'The ratio only tends to this. The states of the lower half count, too.',
      },
      'states in every layer': {
        wrong: (layers, tokens, state) => (layers * tokens) / (tokens + layers * state),
        hint: 'Only the lower half keeps states. How many layers is that?',
      },
      'one state': {
        wrong: (layers, tokens, state) => (layers * tokens) / (tokens + state),
        hint: 'Each layer of the lower half keeps a state of its own.',
      },
    },
  }),
];
