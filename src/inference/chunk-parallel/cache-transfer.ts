/**
 * A layer's memory crosses a border: what the left neighbour remembers at the end of its chunk is what the right one
 * remembers at the beginning of its own.
 *
 * The numbers are not enough. A memory is also the clock (its `length` is the next token's position), and a device that
 * started counting at 0 would turn its queries by the wrong angle. So position travels with the state.
 */
import * as tf from '@tensorflow/tfjs';
import type { KeysAndValues } from '../../attention/keys-and-values';
import { RingCache } from '../../attention/rolling-kv-cache';
import type { Memory } from '../../layers/memory';
import { RetentionState } from '../../retention/retention-state';
import { type Mailbox, type Parcel, pack, unpack } from './channels';

/** A window in the middle of a text: the neighbour's last tokens, and how many came before them. */
class ReceivedRing extends RingCache {
  private readonly before: number;
  constructor(batch: number, capacity: number, position: number, held: KeysAndValues) {
    super(batch, capacity);
    this.append(held);
    this.before = position - super.length;
  }
  override get length(): number {
    return super.length + this.before;
  }
  override get lengths(): readonly number[] {
    return super.lengths.map((count) => count + this.before);
  }
  override fork(): ReceivedRing {
    const held = this.read() as unknown as KeysAndValues;
    const twin = new ReceivedRing(this.batch, this.capacity, this.length, held);
    tf.dispose([held.k, held.v]);
    return twin;
  }
}

/**
 * `empty`, brought to where the sender's memory stood after `position` tokens. What comes back belongs to the caller.
 * @throws TypeError for a memory that grows: it is gathered, not handed on.
 */
export function resume(empty: Memory, parcel: Parcel, position: number): Memory {
  if (empty instanceof RetentionState) {
    empty.advance(unpack(parcel, 'state'), position);
    return empty;
  }
  if (empty instanceof RingCache) {
    const held = { k: unpack(parcel, 'k'), v: unpack(parcel, 'v') };
    const ring = new ReceivedRing(empty.batch, empty.capacity, position, held);
    tf.dispose([held.k, held.v]);
    return ring;
  }
  throw new TypeError(
    `resume: a ${empty.constructor.name} grows with the text; hand on states and windows, gather keys and values.`,
  );
}

/** The memories of a self-decoder on a device: to ask for a layer's is to wait until the neighbour has done that layer. */
export class ArrivingMemories extends Map<string, Memory> {
  /** @param position of the device's first token. @param onWait is called before each wait, `onArrival` after it. */
  constructor(
    empty: Iterable<[string, Memory]>,
    private readonly mail: Mailbox,
    private readonly position: number,
    private readonly on: { wait(): void; arrival(layer: string): void },
  ) {
    super(empty);
  }
  override get(layer: string): Memory | undefined {
    const empty = super.get(layer);
    if (empty && !this.mail.isFirst) {
      this.on.wait();
      this.set(layer, resume(empty, this.mail.takeOver(), this.position));
    }
    this.on.arrival(layer);
    return super.get(layer);
  }
  /** The layer is done with this chunk: the neighbour may have its memory. */
  handOn(layer: string): void {
    this.mail.handOn(() => {
      const held = super.get(layer)!.read();
      const parcel = pack(held);
      tf.dispose(held);
      return parcel;
    });
  }
  dispose(): void {
    for (const memory of this.values()) memory.dispose();
  }
}
