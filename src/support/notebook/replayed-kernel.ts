/**
 * A kernel that survives a cell which does not end: such a kernel can only be killed, so a new one
 * is started when it is next needed, and all cells that did end are run again.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { type CellResult, KernelClient } from './kernel-client';
import { kernelSpec } from './python-environment';

export class ReplayedKernel {
  private kernel?: KernelClient;
  private readonly done: string[] = [];

  constructor(private readonly timeoutMs: number) {}

  /** A cell's result, whether it failed or not. */
  async run(source: string): Promise<CellResult | 'does not end'> {
    if (!this.kernel) {
      this.kernel = await KernelClient.start(kernelSpec().argv);
      // These have all ended once; if one does not this time, what needs it fails by itself.
      for (const earlier of this.done) await this.execute(earlier);
    }
    const result = await this.execute(source);
    if (result) {
      this.done.push(source);
      return result;
    }
    this.stop();
    return 'does not end';
  }

  private async execute(source: string): Promise<CellResult | undefined> {
    const result = await this.kernel?.execute(source, this.timeoutMs).catch(() => undefined);
    // After a cell that failed, tslab refuses what comes within 200 ms, as if it had been queued
    // behind that cell.
    if (result?.status === 'error') await pause(300);
    return result;
  }

  stop(): void {
    this.kernel?.stop();
    this.kernel = undefined;
  }
}
