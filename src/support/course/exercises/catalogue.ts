/** Every exercise of the course, in reading order. */
import { lesson00 } from './00-start';
import { lesson01 } from './01-attention';
import { lesson02 } from './02-parts';
import { lesson03 } from './03-transformer';
import { lesson04 } from './04-retention';
import { lesson05 } from './05-gates';
import { lesson06 } from './06-window';
import { lesson07 } from './07-cross-decoder';
import { lesson08 } from './08-whole-model';
import { lesson09 } from './09-early-exit';
import { lesson10 } from './10-memory';
import { lesson11 } from './11-training';
import { lesson12 } from './12-needles';
import { lesson13 } from './13-long-sequences';
import { lesson14 } from './14-conversion';
import { lesson15 } from './15-after-yoco';
import type { Exercise } from './exercise';

export const exercises: Exercise[] = [
  ...lesson00,
  ...lesson01,
  ...lesson02,
  ...lesson03,
  ...lesson04,
  ...lesson05,
  ...lesson06,
  ...lesson07,
  ...lesson08,
  ...lesson09,
  ...lesson10,
  ...lesson11,
  ...lesson12,
  ...lesson13,
  ...lesson14,
  ...lesson15,
];
