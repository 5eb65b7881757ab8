/**
 * The judge: compares what a submission's function gives with the reference, in a process that the
 * submission does not enter. Beside the cases of the exercise, which a student can read, it asks
 * fresh ones.
 */
import { examineExercise, type Verdict } from '../exercises/check';
import { type Exercise, functionName } from '../exercises/exercise';
import { NoAnswer } from './fenced-process';
import { freshCases } from './fresh-cases';
import type { Submission } from './submission';
import type { Answer } from './value-message';

/** "passed", "wrong: one step too many", "not begun", "missing", "does not end", … */
export async function judge(of: Exercise, submission: Submission, seed: number): Promise<string> {
  const withFresh = { ...of, cases: { ...of.cases, ...freshCases(of.id, seed) } };
  const call = (args: unknown[]) => submission.call(functionName(of), args);
  try {
    const verdict = await verdictFrom(withFresh, call);
    if (verdict === 'missing') return verdict;
    return verdict.mistake ? `${verdict.state}: ${verdict.mistake}` : verdict.state;
  } catch (error) {
    if (error instanceof NoAnswer) return error.message;
    throw error;
  }
}

class Unanswered extends Error {}

/**
 * The examination cannot wait for an answer, so it is repeated: each time with one answer more,
 * until none is missing. It is the same each time, because all but the answers is fixed.
 */
async function verdictFrom(
  of: Exercise,
  call: (args: unknown[]) => Promise<Answer>,
): Promise<Verdict | 'missing'> {
  const answers: Answer[] = [];
  for (;;) {
    let calls = 0;
    let open: unknown[] | undefined;
    const yours = (...args: unknown[]): unknown => {
      const answer = answers[calls++];
      if (answer) return outcome(answer, args);
      open ??= structuredClone(args);
      throw new Unanswered();
    };
    const verdict = examineExercise(of, yours);
    if (!open) return verdict;
    const answer = await call(open);
    if (answer.missing) return 'missing';
    answers.push(answer);
  }
}

/** As if the function had been called here: what it wrote into lists and records is there, too. */
function outcome({ value, args, thrown }: Answer, given: unknown[]): unknown {
  for (const [i, after] of (args ?? []).entries()) overwrite(given[i], after);
  if (thrown !== undefined) throw new Error(thrown);
  return value;
}

function overwrite(target: unknown, source: unknown): void {
  if (Array.isArray(target) && Array.isArray(source)) {
    target.length = 0;
    for (const entry of source) target.push(entry);
  } else if (isRecord(target) && isRecord(source)) {
    for (const key of Object.keys(target)) {
      target[key] = Object.hasOwn(source, key) ? source[key] : undefined;
    }
  }
}
const isRecord = (x: unknown): x is Record<string, unknown> =>
  typeof x === 'object' && x !== null && !Array.isArray(x);
