/** All studies by name: what `npm run study -- NAME` runs. */
import { convertStudy } from './convert-study';
import { needleStudy } from './needle-study';
import { recallStudy } from './recall-study';
import { scalingStudy } from './scaling-study';
import { splitsStudy } from './splits-study';
import type { StudyDefinition, StudyRun } from './study';

/** Each is only ever handed its own settings, so a list may forget whose they are. */
type AnyStudy = StudyDefinition<Record<string, unknown>, StudyRun>;
export const studies: Readonly<Record<string, AnyStudy>> = Object.fromEntries(
  [recallStudy, needleStudy, scalingStudy, splitsStudy, convertStudy].map((study) => [
    study.name,
    study as unknown as AnyStudy,
  ]),
);
