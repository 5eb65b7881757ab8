/**
 * Dawn: the WebGPU of Chromium, built for Node. It gives a Node process `navigator.gpu`, as a
 * browser page has it.
 *
 * The compiled part is loaded directly. The package's own entry is an ECMAScript module, which Node
 * 20 cannot `require`, and the notebook kernel turns every import into a `require`; and it adds
 * nothing that is needed here.
 */
import { watchTicks } from './event-loop';
import { DAWN, requireWebgpuPackage } from './packages';

/** The few parts of WebGPU that this folder uses; the standard has them all. */
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

/**
 * `navigator.gpu`, made if this Node has none.
 * @throws Error if Dawn is not installed, or does not load here.
 */
export function findGpu(): Gpu {
  const globals = globalThis as unknown as { navigator?: { gpu?: Gpu } };
  if (globals.navigator?.gpu) return globals.navigator.gpu;
  const { platform, arch } = process;
  const build = platform === 'darwin' ? 'darwin-universal' : `${platform}-${arch}`;
  watchTicks(); // before Dawn schedules its first one
  const file = `${DAWN.name}/dist/${build}/dawn.node`;
  const dawn = requireWebgpuPackage(file, { name: DAWN.name }) as Dawn;
  Object.assign(globalThis, dawn.globals);
  // Node's own navigator (21 and later) is read-only, but takes new properties; Node 20 has none.
  if (!globals.navigator) {
    const empty = { value: {}, configurable: true, writable: true };
    Object.defineProperty(globalThis, 'navigator', empty);
  }
  const gpu = dawn.create([]);
  Object.defineProperty(globals.navigator, 'gpu', { value: gpu, configurable: true });
  return gpu;
}

/** Its name, and whether it is a program that emulates a graphics card (SwiftShader, llvmpipe). */
export function describeAdapter({ info }: GpuAdapter): { device: string; isSoftware: boolean } {
  const names = [info.device, info.description]
    .map((name) => name.trim().replace(/-+$/, ''))
    .filter(Boolean);
  const device = names.join(', ') || info.vendor || 'graphics card';
  const software = /swiftshader|llvmpipe|lavapipe|software|basic render/i;
  return { device, isSoftware: software.test(`${device} ${info.architecture}`) };
}
