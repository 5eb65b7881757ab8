/** The child process of probe.ts: starts one engine, computes one product, prints the result. */
import * as tf from '@tensorflow/tfjs';
import { printReport } from './probe';
import { type EngineName, useEngine } from './use-engine';

async function main(): Promise<void> {
  try {
    const report = await useEngine(process.argv[2] as EngineName);
    const [product] = await tf.matMul([[1, 2]], [[3], [4]]).data();
    const wrong = { error: `It starts, but computes 1·3 + 2·4 = ${product}.` };
    console.log(printReport(product === 11 ? report : wrong));
  } catch (error) {
    // The cause alone: the parent knows which engine was asked for.
    const { cause, message } = error as Error;
    console.log(printReport({ error: cause instanceof Error ? cause.message : message }));
  }
}
void main();
