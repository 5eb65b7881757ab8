/**
 * The functions of a notebook. A cell or a function that does not answer costs its process; a new
 * one is started when it is needed, and the cells that did end are run again.
 */
import { FencedProcess, NoAnswer } from './fenced-process';
import type { StudentFolder } from './student-folder';
import type { Answer } from './value-message';

const START_MS = 60_000;
const MOST_REMARKS = 12;
/** All of a notebook may take so many times as long as one cell. */
const WHOLE = 10;

export class Submission {
  /** What a teacher should know, such as attempts to read other files. */
  readonly remarks = new Set<string>();
  private process?: FencedProcess;
  private readonly ended: string[] = []; // cells
  private readonly deadline: number;

  constructor(
    private readonly fence: string[],
    private readonly folder: StudentFolder,
    private readonly timeoutMs: number,
  ) {
    this.deadline = Date.now() + WHOLE * timeoutMs;
  }

  /** What is wrong with a cell is a remark: the cells after it are run. */
  async runCell(source: string, title: string): Promise<void> {
    try {
      const { thrown } = await this.ask({ cell: source, name: null });
      this.ended.push(source);
      if (thrown !== undefined) this.remark(`${title}: ${thrown}`);
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error;
      this.remark(`${title} ${error.message}`);
    }
  }

  /** @throws NoAnswer */
  call(name: string, args: unknown[]): Promise<Answer> {
    return this.ask({ cell: null, name, args });
  }

  private async ask(request: object): Promise<Answer> {
    if (Date.now() > this.deadline) throw new NoAnswer('no time left');
    try {
      this.process ??= await this.started();
      return await this.process.ask(request, this.timeoutMs);
    } catch (error) {
      this.stop();
      throw error;
    }
  }

  private async started(): Promise<FencedProcess> {
    const started = new FencedProcess(this.fence, this.folder, (what) =>
      this.remark(`refused: ${what}`),
    );
    try {
      await started.ready(START_MS);
      for (const cell of this.ended) await started.ask({ cell, name: null }, this.timeoutMs);
    } catch (error) {
      started.stop();
      throw error;
    }
    return started;
  }

  remark(text: string): void {
    if (this.remarks.size < MOST_REMARKS) this.remarks.add(text);
  }

  stop(): void {
    this.process?.stop();
    this.process = undefined;
  }
}
