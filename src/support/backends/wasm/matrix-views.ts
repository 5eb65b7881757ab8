/**
 * One matrix of a batch, handed to the compiled code without copying.
 *
 * A batch of matrices is one long stretch of memory; the matrices are *slabs* of it. A slab that lies the right way is
 * registered under a number of its own: a view. One that lies the other way is flipped into scratch memory first.
 * A slab that is used several times in a row (heads that share keys) is prepared once, and stays packed.
 */
import { sizeOf, type WasmBackend } from './backend';
import { flip } from './flip';

/** A place on the heap, forgotten by `dispose`: the numbers themselves belong to somebody else, or to `scratch`. */
class View {
  readonly id: number;
  constructor(
    private readonly backend: WasmBackend,
    size: number,
    offset: number,
  ) {
    this.id = backend.dataIdNextNumber++;
    backend.wasm.tfjs.registerTensor(this.id, size, offset);
  }
  /** Also drops what the multiplier packed for this number. */
  dispose(): void {
    this.backend.wasm.tfjs.disposeData(this.id);
  }
}

export class Slabs {
  private readonly size: number;
  private readonly scratch: number;
  private readonly mustFlip: boolean;
  private current = -1;
  private view?: View;

  /** Matrices of `rows` × `columns` as they lie from `offset` on; `flipped` asks for them the other way. */
  constructor(
    private readonly backend: WasmBackend,
    private readonly offset: number,
    private readonly rows: number,
    private readonly columns: number,
    flipped: boolean,
  ) {
    this.size = sizeOf([rows, columns]);
    // A single row is already its own column.
    this.mustFlip = flipped && rows > 1 && columns > 1;
    this.scratch = this.mustFlip ? backend.wasm._malloc(4 * this.size) : 0;
  }

  /** The number under which the compiled code finds matrix `index`, lying as asked. Valid until the next call. */
  at(index: number): number {
    if (this.view && index === this.current) return this.view.id;
    this.view?.dispose();
    const place = this.offset + 4 * this.size * index;
    if (this.mustFlip)
      flip(
        this.backend.wasm.HEAPU32,
        this.scratch >>> 2,
        this.backend.wasm.HEAPU32,
        place >>> 2,
        this.rows,
        this.columns,
      );
    this.current = index;
    this.view = new View(this.backend, this.size, this.mustFlip ? this.scratch : place);
    return this.view.id;
  }

  dispose(): void {
    this.view?.dispose();
    if (this.mustFlip) this.backend.wasm._free(this.scratch);
  }
}

/** Where products land: each slab of the output in turn, by way of a scratch that is flipped into it if need be. */
export class Results {
  private readonly size: number;
  private readonly scratch: number;
  private view?: View;
  constructor(
    private readonly backend: WasmBackend,
    private readonly offset: number,
    private readonly rows: number,
    private readonly columns: number,
    flipped: boolean,
  ) {
    this.size = rows * columns;
    this.scratch = flipped && rows > 1 && columns > 1 ? backend.wasm._malloc(4 * this.size) : 0;
  }
  at(index: number): number {
    this.view?.dispose();
    this.view = new View(this.backend, this.size, this.scratch || this.place(index));
    return this.view.id;
  }
  /** Call after the product for `index` is computed. */
  settle(index: number): void {
    const { HEAPU32 } = this.backend.wasm;
    if (this.scratch)
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
