/**
 * The weights of a model, each under the name that the official code gives it.
 *
 * A model is built by walking down its names: `scope.within('layers.0').within('ffn')`. All weights
 * are kept in one store, which the optimiser, the checkpoint and the parameter count read.
 */
import * as tf from '@tensorflow/tfjs';
import type { SeededRandom } from '../tensor/random';

/** `matrix`: [in, out] in memory, [out, in] on disk as in PyTorch. The others: the same in both. */
export type ParameterKind = 'matrix' | 'table' | 'vector';

export interface Parameter {
  readonly name: string;
  readonly kind: ParameterKind;
  readonly variable: tf.Variable;
}

/** Draws `size` numbers for a weight that sums over `fanIn` inputs into `fanOut` outputs. */
export type Initializer = (
  random: SeededRandom,
  size: number,
  fanIn: number,
  fanOut: number,
) => Float32Array;

/**
 * U(±gain·√(6 / (in + out))). The official code takes gain 2^-2.5 for q, k, v, g, γ of retention
 * and 2^-1 for its output.
 */
export const xavierUniform =
  (gain = 1): Initializer =>
  (random, size, fanIn, fanOut) => {
    const bound = gain * Math.sqrt(6 / (fanIn + fanOut));
    return random.uniforms(size, -bound, bound);
  };
/** U(±1/√in): PyTorch's default for a linear layer (Kaiming uniform with a = √5). */
export const kaimingUniform: Initializer = (random, size, fanIn) =>
  random.uniforms(size, -1 / Math.sqrt(fanIn), 1 / Math.sqrt(fanIn));
export const normalInit =
  (standardDeviation: number): Initializer =>
  (random, size) =>
    random.normals(size, 0, standardDeviation);
export const ones: Initializer = (_, size) => new Float32Array(size).fill(1);

export class ParameterStore {
  private readonly byName = new Map<string, Parameter>();
  private readonly secondNames = new Map<string, string>();
  private disposed = false;

  /** @throws RangeError if the name is taken. The store owns the variable. */
  add(name: string, kind: ParameterKind, shape: number[], values: Float32Array): tf.Variable {
    if (this.byName.has(name))
      throw new RangeError(
        `ParameterStore: there is a weight ${name} already; each name stands for one weight.`,
      );
    // tidy: the variable keeps itself alive, the tensor that it is made from is let go.
    const variable = tf.tidy(() => tf.variable(tf.tensor(values, shape, 'float32')));
    this.byName.set(name, { name, kind, variable });
    return variable;
  }
  /** A second name of one weight, for tied embeddings: the file has both, the optimiser one. */
  alias(name: string, existing: string): void {
    if (!this.byName.has(existing) || this.byName.has(name))
      throw new RangeError(
        `ParameterStore: ${name} cannot be a second name of ${existing}; ` +
          `${existing} must exist and ${name} be free.`,
      );
    this.secondNames.set(name, existing);
  }
  /** Second name → the name under which the weight is kept. */
  get aliases(): ReadonlyMap<string, string> {
    return this.secondNames;
  }
  get(name: string): Parameter | undefined {
    return this.byName.get(this.secondNames.get(name) ?? name);
  }
  /** In the order in which the model was built: bottom to top. */
  all(): Parameter[] {
    return [...this.byName.values()];
  }
  /** How many numbers the model has learned or will learn. */
  get count(): number {
    return this.all().reduce((sum, p) => sum + p.variable.size, 0);
  }
  dispose(): void {
    for (const { variable } of this.all()) variable.dispose();
    this.byName.clear();
    this.disposed = true;
  }
  get isDisposed(): boolean {
    return this.disposed;
  }
}

/** A place in the tree of names, and the random numbers for the weights below it. */
export class ParameterScope {
  constructor(
    readonly store: ParameterStore,
    private readonly random: SeededRandom,
    readonly path = '',
  ) {}

  within(name: string): ParameterScope {
    return new ParameterScope(this.store, this.random, this.nameOf(name));
  }
  /** [fanIn, fanOut] in memory: x · W without a transpose. */
  matrix(name: string, fanIn: number, fanOut: number, init: Initializer): tf.Variable<tf.Rank.R2> {
    return this.add(name, 'matrix', [fanIn, fanOut], () =>
      init(this.random, fanIn * fanOut, fanIn, fanOut),
    );
  }
  /** [rows, width], one row per entry, as an embedding has. */
  table(name: string, rows: number, width: number, init: Initializer): tf.Variable<tf.Rank.R2> {
    return this.add(name, 'table', [rows, width], () =>
      init(this.random, rows * width, width, rows),
    );
  }
  vector(name: string, size: number, init: Initializer): tf.Variable<tf.Rank.R1> {
    return this.add(name, 'vector', [size], () => init(this.random, size, size, size));
  }
  /**
   * If the memory does not suffice, the model cannot be built: then its other weights are freed.
   */
  private add<R extends tf.Rank>(
    name: string,
    kind: ParameterKind,
    shape: number[],
    draw: () => Float32Array,
  ): tf.Variable<R> {
    try {
      return this.store.add(this.nameOf(name), kind, shape, draw()) as tf.Variable<R>;
    } catch (error) {
      this.store.dispose();
      throw error;
    }
  }
  private nameOf(name: string): string {
    return this.path ? `${this.path}.${name}` : name;
  }
}
