/** Everything that a YOCO keeps between two calls. */
import type { KvCache } from '../attention/kv-cache';
import type { LayerCache } from '../layers/mixer';
import { ModelCache } from './model-cache';

export class YocoCache extends ModelCache {
  constructor(
    model: object,
    batch: number,
    /** One per self-decoder layer, bounded in size. */
    public layers: readonly LayerCache[],
    /** K̂ and V̂, read by every cross-decoder layer; an update replaces it, so read it afresh. */
    public global: KvCache,
  ) {
    super(model, batch);
  }

  parts(): Record<string, LayerCache> {
    return { ...namedLayers(this.layers), global: this.global };
  }
  protected withParts({ global, ...layers }: Record<string, LayerCache>): this {
    const copy = new YocoCache(this.model, this.batch, Object.values(layers), global as KvCache);
    return copy as this;
  }
  protected assign(other: this): void {
    this.layers = other.layers;
    this.global = other.global;
  }
}

/** `layers.0`, `layers.1`, …, in this order. */
export function namedLayers(layers: readonly LayerCache[]): Record<string, LayerCache> {
  const named: Record<string, LayerCache> = {};
  for (const [i, layer] of layers.entries()) named[`layers.${i}`] = layer;
  return named;
}
