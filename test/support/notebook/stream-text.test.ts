import { expect, it } from 'vitest';
import { streamText } from '../../../src/support/notebook/stream-text';

function collected(width: number) {
  const printed: string[] = [];
  return { printed, write: (text: string) => void printed.push(text), width };
}

it('prints each word when it is complete, and breaks lines between words', () => {
  const { printed, ...options } = collected(9);
  const text = streamText('The whale ', options);
  expect(printed).toEqual(['The', ' whale']);
  for (const letter of 'rose  out\nof') text.add(letter);
  expect(printed).toEqual(['The', ' whale', '\nrose', ' out']);
  text.end();
  expect(printed.join('')).toBe('The whale\nrose out\nof\n');
});
it('fills a line to its last letter, and leaves a longer word whole', () => {
  const { printed, ...options } = collected(5);
  streamText('ab cd antarctic e', options).end();
  expect(printed.join('')).toBe('ab cd\nantarctic\ne\n');
});
it('refuses a width in which nothing fits', () => {
  expect(() => streamText('', { width: 0 })).toThrow('width is 0; give 1 or more letters.');
});
