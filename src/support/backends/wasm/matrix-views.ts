/**
 * Single matrices of a batch, for the compiled code, without copying where possible.
 *
 * A batch of matrices is one range of the heap, matrix after matrix. A matrix that is needed as it
 * lies is registered under an id of its own: a view. One that is needed transposed is first
 * transposed into scratch memory. A matrix that is used several times in a row (heads that share
 * keys) is prepared once, and stays packed.
 */
import { sizeOf, type WasmBackend } from './backend';
import { flip } from './flip';

/** An id for a range of the heap. `dispose` frees the id, not the numbers: others own those. */
class HeapView {
  readonly id: number;

  constructor(
    private readonly backend: WasmBackend,
    size: number,
    offset: number,
  ) {
    this.id = backend.dataIdNextNumber++;
    backend.wasm.tfjs.registerTensor(this.id, size, offset);
  }

  /** Also frees the copy that the multiplier packed for this id. */
  dispose(): void {
    this.backend.wasm.tfjs.disposeData(this.id);
  }
}

/** A vector is its own transpose, as far as memory is concerned. */
const needsFlip = (flipped: boolean, rows: number, columns: number): boolean =>
  flipped && rows > 1 && columns > 1;

/** The matrices of one operand. */
export class OperandViews {
  private readonly size: number;
  private readonly scratch: number;
  private readonly mustFlip: boolean;
  private current = -1;
  private view?: HeapView;

  /** Matrices of `rows` × `columns`, one after another from `offset` on; `flipped`: transposed. */
  constructor(
    private readonly backend: WasmBackend,
    private readonly offset: number,
    private readonly rows: number,
    private readonly columns: number,
    flipped: boolean,
  ) {
    this.size = sizeOf([rows, columns]);
    this.mustFlip = needsFlip(flipped, rows, columns);
    this.scratch = this.mustFlip ? backend.wasm._malloc(4 * this.size) : 0;
  }

  /** The id of matrix `index`, transposed if asked for. Valid until the next call. */
  at(index: number): number {
    if (this.view && index === this.current) return this.view.id;
    this.view?.dispose();
    const place = this.offset + 4 * this.size * index;
    if (this.mustFlip) {
      const { HEAPU32 } = this.backend.wasm;
      flip(HEAPU32, this.scratch >>> 2, HEAPU32, place >>> 2, this.rows, this.columns);
    }
    this.current = index;
    this.view = new HeapView(this.backend, this.size, this.mustFlip ? this.scratch : place);
    return this.view.id;
  }

  dispose(): void {
    this.view?.dispose();
    if (this.mustFlip) this.backend.wasm._free(this.scratch);
  }
}

/** The matrices of the result. If they are computed transposed, they go through scratch memory. */
export class ResultViews {
  private readonly size: number;
  private readonly scratch: number;
  private view?: HeapView;

  /** Matrices of `rows` × `columns`; `flipped`: the product that is computed is the transpose. */
  constructor(
    private readonly backend: WasmBackend,
    private readonly offset: number,
    private readonly rows: number,
    private readonly columns: number,
    flipped: boolean,
  ) {
    this.size = rows * columns;
    const mustFlip = needsFlip(flipped, rows, columns);
    this.scratch = mustFlip ? backend.wasm._malloc(4 * this.size) : 0;
  }

  /** The id under which product `index` is to be written. */
  at(index: number): number {
    this.view?.dispose();
    this.view = new HeapView(this.backend, this.size, this.scratch || this.place(index));
    return this.view.id;
  }

  /** Moves product `index` from scratch memory to its place. Call after computing it. */
  flush(index: number): void {
    if (!this.scratch) return;
    const { HEAPU32 } = this.backend.wasm;
    flip(HEAPU32, this.place(index) >>> 2, HEAPU32, this.scratch >>> 2, this.columns, this.rows);
  }

  dispose(): void {
    this.view?.dispose();
    if (this.scratch) this.backend.wasm._free(this.scratch);
  }

  private place(index: number): number {
    return this.offset + 4 * this.size * index;
  }
}
