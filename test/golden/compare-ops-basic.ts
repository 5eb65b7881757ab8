import * as tf from '@tensorflow/tfjs';
import { ParameterScope, ParameterStore } from '../../src/layers/parameters';
import { rmsNorm } from '../../src/layers/rms-norm';
import { rotary, rotaryAngles } from '../../src/layers/rotary';
import { SwiGLU, swiglu } from '../../src/layers/swiglu';
import { SeededRandom } from '../../src/tensor/random';
import { lossAndGradients } from '../../src/training/gradients';
import { loadStateDict } from '../../src/weights/state-dict';
import type { GoldenFile } from './golden-file';

/** Rotary positions, RMSNorm, SwiGLU and the feed-forward layer, values and gradients. */
export function compareOpsBasic(file: GoldenFile, c: string): void {
  const op = file.meta(`${c}.op`);
  const compare = {
    rotary: compareRotary,
    rmsnorm: compareNorm,
    swiglu: compareSwiglu,
    ffn: compareFfn,
  }[op];
  if (!compare) throw new Error(`${file.path}: ${c} is of the unknown operation ${op}.`);
  compare(file, c);
}

function compareRotary(file: GoldenFile, c: string): void {
  const x = file.input<tf.Tensor4D>(`${c}/x`);
  const dout = file.input<tf.Tensor4D>(`${c}/dout`);
  const start = file.number(`${c}.start_pos`);
  const style = file.meta(`${c}.style`);
  if (style !== 'interleaved' && style !== 'half_split')
    throw new Error(`${file.path}: ${c} has the unknown style ${style}.`);
  const options = {
    style: style === 'interleaved' ? style : 'half-split',
    frequencies: style === 'interleaved' ? 'end-point' : 'standard',
    theta: file.number(`${c}.theta`),
  } as const;
  const angles = rotaryAngles(x.shape[3], options);
  const table = (f: (angle: number) => number) =>
    tf.tensor2d(
      Array.from({ length: x.shape[1] }, (_, n) => angles.map((angle) => f((start + n) * angle))),
    );
  file.compare(`${c}/angle`, tf.tensor1d(angles));
  file.compare(`${c}/cos`, table(Math.cos));
  file.compare(`${c}/sin`, table(Math.sin));
  const { value, grad } = tf.valueAndGrad((y) => rotary(y as tf.Tensor4D, start, options))(x, dout);
  file.compare(`${c}/out`, value);
  file.compare(`${c}/dx`, grad);
}

function compareNorm(file: GoldenFile, c: string): void {
  const x = file.input<tf.Tensor2D>(`${c}/x`);
  const dout = file.input(`${c}/dout`);
  const eps = file.number(`${c}.eps`);
  const affine = file.meta(`${c}.affine`) === 'true';
  const inputs = affine ? [x, file.input(`${c}/weight`)] : [x];
  const { value, grads } = tf.valueAndGrads((...given: tf.Tensor[]) =>
    rmsNorm(given[0], eps, given[1] as tf.Tensor1D | undefined),
  )(inputs, dout);
  file.compare(`${c}/out`, value);
  file.compare(`${c}/dx`, grads[0]);
  if (affine) file.compare(`${c}/dweight`, grads[1]);
}

function compareSwiglu(file: GoldenFile, c: string): void {
  const inputs = [file.input(`${c}/x`), file.input(`${c}/y`)];
  const { value, grads } = tf.valueAndGrads((...given: tf.Tensor[]) => swiglu(given[0], given[1]))(
    inputs,
    file.input(`${c}/dout`),
  );
  file.compare(`${c}/out`, value);
  file.compare(`${c}/dx`, grads[0]);
  file.compare(`${c}/dy`, grads[1]);
}

function compareFfn(file: GoldenFile, c: string): void {
  const x = file.input<tf.Tensor3D>(`${c}/x`);
  const dout = file.input<tf.Tensor3D>(`${c}/dout`);
  const store = new ParameterStore();
  const layer = new SwiGLU(
    new ParameterScope(store, new SeededRandom(0)),
    file.number(`${c}.dim`),
    file.number(`${c}.hidden_dim`),
  );
  loadStateDict(store, file.weights(`${c}/weights/`), { where: c });
  file.compare(`${c}/out`, layer.forward(x));
  file.compare(`${c}/dx`, tf.grad((y) => layer.forward(y))(x, dout));
  const { gradients } = lossAndGradients(store, () => layer.forward(x).mul(dout).sum());
  for (const [name, gradient] of Object.entries(gradients))
    file.compare(`${c}/grad/${name}`, gradient.transpose());
  store.dispose();
}
