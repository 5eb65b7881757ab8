/** A message of a student's process is a value, whatever is written in it. */
import { expect, it } from 'vitest';
import { readAnswer } from '../../../../src/support/course/grading/value-message';

const valueIn = (text: string): unknown => readAnswer(`{"id":1,"value":${text}}`).value;

it('numbers, texts, lists and records, and what JSON lacks', () => {
  expect(valueIn('[1.5,"a",{"k":[null,true]}]')).toEqual([1.5, 'a', { k: [null, true] }]);
  expect(valueIn('[{"$":"NaN"},{"$":"-Infinity"}]')).toEqual([Number.NaN, -Infinity]);
  expect(valueIn('{"$":"undefined"}')).toBeUndefined();
  expect(valueIn('{"$":"promise"}')).toBeInstanceOf(Promise);
  expect(valueIn('{"$":"function"}')).toBeTypeOf('function');
  expect(valueIn('{"$":"no such thing"}')).toEqual({ $: 'no such thing' });
});
it('__proto__ is the name of an entry', () => {
  const value = valueIn('{"__proto__":{"state":"passed"}}') as object;
  expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
  expect('state' in value).toBe(false);
});
it.each(['', 'null', '{', '{"value":'.padEnd(200_000, '['), deep(60), deep(100_000)])(
  'is refused: %.20s',
  (line) => expect(() => readAnswer(line)).toThrow(),
);
function deep(levels: number): string {
  return `{"value":${'['.repeat(levels)}${']'.repeat(levels)}}`;
}
it('fields of another type than they should have are dropped or made text', () => {
  const line = '{"id":"1","args":{"length":9},"thrown":{"a":1},"missing":1,"refused":[2]}';
  const answer = readAnswer(line);
  expect(answer).toMatchObject({ id: undefined, args: undefined, missing: false, refused: '2' });
  expect(answer.thrown).toBe('[object Object]');
});
