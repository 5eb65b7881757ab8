/**
 * Dawn: the WebGPU of Chromium, built for Node. It gives a Node process what a browser page has, `navigator.gpu`.
 *
 * The compiled part is loaded directly. The package's own entry is an ECMAScript module, which Node 20 cannot `require`, and
 * the notebook kernel turns every import into one; and it adds nothing that is needed here.
 */
import { watchTicks } from './event-loop';
import { DAWN, requireOptional } from './packages';

/** The few parts of WebGPU that this folder touches; the standard has them all. */
export interface GpuBuffer {
  readonly size: number;
  readonly mapState: 'unmapped' | 'pending' | 'mapped';
  mapAsync(mode: number): Promise<void>;
  getMappedRange(): ArrayBuffer;
  unmap(): void;
}
export interface GpuDevice {
  readonly lost: Promise<{ reason: string; message: string }>;
  addEventListener(
    type: 'uncapturederror',
    listener: (event: { error: { message: string }; preventDefault(): void }) => void,
  ): void;
  destroy(): void;
}
export interface GpuAdapter {
  readonly info: { vendor: string; architecture: string; device: string; description: string };
}
export interface Gpu {
  requestAdapter(options?: { powerPreference: 'high-performance' }): Promise<GpuAdapter | null>;
}
interface Dawn {
  create(options: string[]): Gpu;
  /** GPUBufferUsage and its like: names that a page finds in its global scope. */
  globals: Record<string, unknown>;
}

/** `navigator.gpu`, made if this Node has none. @throws Error if Dawn is not installed, or does not load here. */
export function findGpu(): Gpu {
  const scope = globalThis as unknown as { navigator?: { gpu?: Gpu } };
  if (scope.navigator?.gpu) return scope.navigator.gpu;
  const platform =
    process.platform === 'darwin' ? 'darwin-universal' : `${process.platform}-${process.arch}`;
  watchTicks(); // before Dawn's first one
  const dawn = requireOptional(`${DAWN.name}/dist/${platform}/dawn.node`, {
    name: DAWN.name,
  }) as Dawn;
  Object.assign(globalThis, dawn.globals);
  // Node's own navigator (21 and later) is read-only, but takes new properties; Node 20 has none.
  if (!scope.navigator)
    Object.defineProperty(globalThis, 'navigator', {
      value: {},
      configurable: true,
      writable: true,
    });
  const gpu = dawn.create([]);
  Object.defineProperty(scope.navigator, 'gpu', { value: gpu, configurable: true });
  return gpu;
}

/** What to call it, and whether it is a program that plays a graphics card (SwiftShader, llvmpipe) and not one. */
export function describeAdapter({ info }: GpuAdapter): { device: string; isSoftware: boolean } {
  const said = [info.device, info.description]
    .map((text) => text.trim().replace(/-+$/, ''))
    .filter(Boolean);
  const device = said.join(', ') || info.vendor || 'graphics card';
  return {
    device,
    isSoftware: /swiftshader|llvmpipe|lavapipe|software|basic render/i.test(
      `${device} ${info.architecture}`,
    ),
  };
}
