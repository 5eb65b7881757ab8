/** The child process of survey.ts: starts one engine, computes one product on it, prints what came of it. */
import * as tf from '@tensorflow/tfjs';
import { printReport } from './probe';
import { type EngineName, useEngine } from './use-engine';

async function main(): Promise<void> {
  try {
    const report = await useEngine(process.argv[2] as EngineName);
    const [product] = await tf.matMul([[1, 2]], [[3], [4]]).data();
    console.log(
      printReport(
        product === 11 ? report : { error: `It starts, but computes 1·3 + 2·4 = ${product}.` },
      ),
    );
  } catch (error) {
    // The reason alone: which engine was asked for, the parent knows.
    const { cause, message } = error as Error;
    console.log(printReport({ error: cause instanceof Error ? cause.message : message }));
  }
}
void main();
