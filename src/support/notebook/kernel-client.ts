/**
 * Talks to a Jupyter kernel without Jupyter: starts one, sends it cells, collects what they print.
 *
 * The protocol is five ZeroMQ sockets and signed JSON messages. Two of the sockets are enough here:
 * `shell` for requests and replies, `iopub` for what a cell prints while it runs.
 * Source: "Messaging in Jupyter" of jupyter-client.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHmac, randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Dealer, Subscriber } from 'zeromq';

export interface Output {
  output_type: 'stream' | 'display_data' | 'execute_result' | 'error';
  name?: 'stdout' | 'stderr';
  text?: string;
  data?: Record<string, unknown>;
  metadata?: Record<string, unknown>;
  execution_count?: number | null;
}
export interface CellResult {
  status: 'ok' | 'error';
  /** What the cell prints after it has ended is added while later cells run. */
  outputs: Output[];
  elapsedMs: number;
}

type Content = Record<string, unknown>;
interface Message {
  type: string;
  /** The id of the request that this message answers. */
  parent?: string;
  content: Content;
}

const PATIENCE_MS = 60_000;

export class KernelClient {
  /** The outputs of each request, by its id. */
  private readonly outputsOf = new Map<string, Output[]>();
  /** What was displayed under an id, in any cell: a later message may redraw it. */
  private readonly displayed = new Map<string, Output[]>();
  private readonly onOutput: (() => void)[] = [];
  /** Rejects when the kernel ends. */
  private readonly died: Promise<never>;

  private constructor(
    private readonly process: ChildProcess,
    private readonly shell: Dealer,
    private readonly iopub: Subscriber,
    private readonly key: string,
    private readonly folder: string,
  ) {
    this.died = new Promise((_, reject) => {
      process.once('exit', (code) => reject(new Error(`the kernel ended (code ${code})`)));
    });
    this.died.catch(() => undefined); // it may end while nobody waits
  }

  /**
   * @param argv a kernel spec's, with {connection_file} in it.
   * @throws Error if the kernel does not answer.
   */
  static async start(argv: string[], env: NodeJS.ProcessEnv = process.env): Promise<KernelClient> {
    const [shellPort, iopubPort, stdinPort, controlPort, heartbeatPort] = await freePorts(5);
    const key = randomUUID();
    const connection = {
      transport: 'tcp',
      ip: '127.0.0.1',
      signature_scheme: 'hmac-sha256',
      key,
      shell_port: shellPort,
      iopub_port: iopubPort,
      stdin_port: stdinPort,
      control_port: controlPort,
      hb_port: heartbeatPort,
    };
    const folder = mkdtempSync(join(tmpdir(), 'cache-once-kernel-'));
    const file = join(folder, 'connection.json');
    writeFileSync(file, JSON.stringify(connection));

    const [program, ...args] = argv.map((arg) => (arg === '{connection_file}' ? file : arg));
    const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit'], env });
    const shell = new Dealer({ linger: 0 }); // closing does not wait for a kernel that has died
    const iopub = new Subscriber({ receiveHighWaterMark: 0 }); // 0: no message is dropped
    shell.connect(`tcp://127.0.0.1:${shellPort}`);
    iopub.connect(`tcp://127.0.0.1:${iopubPort}`);
    iopub.subscribe();
    const client = new KernelClient(child, shell, iopub, key, folder);
    await client.handshake();
    return client;
  }

  /**
   * Asks until an answer arrives on `iopub`. A subscriber that connects late misses what was sent
   * before; if that were the "idle" of a first cell, its end would never be noticed.
   * @throws Error if the kernel ends or says nothing for a minute.
   */
  private async handshake(): Promise<void> {
    const end = Date.now() + PATIENCE_MS;
    this.iopub.receiveTimeout = 250;
    while (Date.now() < end && this.process.exitCode === null) {
      await this.send('kernel_info_request', randomUUID(), {});
      const message = await this.iopub.receive().catch(() => undefined); // nothing yet
      if (message) {
        this.iopub.receiveTimeout = -1; // from now on, wait
        return;
      }
    }
    this.stop();
    throw new Error('the kernel does not answer; npm run doctor says whether tslab is installed');
  }

  /**
   * Runs one cell. The cell is over when the kernel has replied and said that it is idle.
   * @throws Error if it takes longer than `timeoutMs` or the kernel dies.
   */
  async execute(code: string, timeoutMs: number): Promise<CellResult> {
    let timer: NodeJS.Timeout | undefined;
    const tooLong = new Promise<never>((_, reject) => {
      const error = new Error(`it took longer than ${timeoutMs / 1000} s`);
      timer = setTimeout(() => reject(error), timeoutMs);
    });
    try {
      return await Promise.race([this.died, tooLong, this.run(code)]);
    } finally {
      clearTimeout(timer);
    }
  }

  private async run(code: string): Promise<CellResult> {
    const started = performance.now();
    const id = randomUUID();
    const outputs: Output[] = [];
    this.outputsOf.set(id, outputs);
    await this.send('execute_request', id, {
      code,
      silent: false,
      store_history: true,
      user_expressions: {},
      allow_stdin: false,
      stop_on_error: true,
    });
    const reply = this.replyTo(id, 'execute_reply');
    for await (const frames of this.iopub) {
      const { type, parent = '', content } = parse(frames);
      if (parent === id && type === 'status' && content.execution_state === 'idle') break;
      const target = this.outputsOf.get(parent); // of this cell or of an earlier one
      if (!target) continue;
      addOutput(target, type, content, this.displayed);
      if (type !== 'status') for (const resolve of this.onOutput.splice(0)) resolve();
    }
    const status = (await reply).status === 'ok' ? 'ok' : 'error';
    return { status, outputs, elapsedMs: performance.now() - started };
  }

  private async replyTo(id: string, wanted: string): Promise<Content> {
    for await (const frames of this.shell) {
      const { type, parent, content } = parse(frames);
      if (parent === id && type === wanted) return content;
    }
    throw new Error('the kernel closed its socket');
  }

  private async send(type: string, id: string, content: Content): Promise<void> {
    const header = {
      msg_id: id,
      msg_type: type,
      username: 'walkthrough',
      session: this.key,
      date: new Date().toISOString(),
      version: '5.3',
    };
    const parts = [header, {}, {}, content].map((part) => JSON.stringify(part));
    const hmac = createHmac('sha256', this.key);
    for (const part of parts) hmac.update(part);
    await this.shell.send(['<IDS|MSG>', hmac.digest('hex'), ...parts]);
  }

  /** What Shift-Tab shows of the name at the end of `code`; undefined if nothing. */
  async inspect(code: string): Promise<string | undefined> {
    const id = randomUUID();
    const request = { code, cursor_pos: code.length, detail_level: 0 };
    await this.send('inspect_request', id, request);
    const { data } = await this.replyTo(id, 'inspect_reply');
    return (data as Record<string, string>)['text/plain'];
  }

  /** What the Tab key offers at the end of `code`. */
  async complete(code: string): Promise<string[]> {
    const id = randomUUID();
    await this.send('complete_request', id, { code, cursor_pos: code.length });
    return (await this.replyTo(id, 'complete_reply')).matches as string[];
  }

  /** Waits until a cell prints or shows something. */
  printed(): Promise<void> {
    return new Promise((resolve) => this.onOutput.push(resolve));
  }

  /** What ■ does, except on Windows. */
  interrupt(): void {
    this.process.kill('SIGINT');
  }

  stop(): void {
    this.process.kill('SIGKILL');
    this.shell.close();
    this.iopub.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** The frames of a message: addresses, <IDS|MSG>, signature, header, parent, metadata, content. */
function parse(frames: Buffer[]): Message {
  const start = frames.findIndex((frame) => frame.toString() === '<IDS|MSG>') + 2;
  const [header, parentHeader, , content] = frames
    .slice(start)
    .map((frame) => JSON.parse(frame.toString()));
  return { type: header.msg_type, parent: parentHeader.msg_id, content };
}

/**
 * Adds what a notebook file keeps of a message: texts of one stream are joined, and of a display
 * that is redrawn the last state stays.
 */
function addOutput(
  outputs: Output[],
  type: string,
  content: Content,
  displayed: Map<string, Output[]>,
): void {
  const { display_id: displayId } = (content.transient ?? {}) as { display_id?: string };
  const shown = displayed.get(displayId ?? '') ?? [];
  const data = content.data as Content;
  switch (type) {
    case 'stream': {
      const name = content.name as 'stdout' | 'stderr';
      const last = outputs.at(-1);
      if (last?.output_type === 'stream' && last.name === name) last.text += String(content.text);
      else outputs.push({ output_type: type, name, text: String(content.text) });
      break;
    }
    case 'display_data':
    case 'execute_result': {
      const output: Output = { output_type: type, data, metadata: {} };
      if (type === 'execute_result') output.execution_count = content.execution_count as number;
      outputs.push(output);
      if (displayId) displayed.set(displayId, [...shown, output]);
      break;
    }
    case 'update_display_data':
      // An id that was never displayed is ignored, as Jupyter does.
      for (const output of shown) output.data = data;
      break;
    case 'error':
      outputs.push({ output_type: type, text: (content.traceback as string[]).join('\n') });
  }
}

/** Ports that nobody listens on at the moment. */
async function freePorts(count: number): Promise<number[]> {
  const servers = [];
  for (let i = 0; i < count; i++) {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    servers.push(server);
  }
  const ports = [];
  for (const server of servers) {
    ports.push((server.address() as { port: number }).port);
    await new Promise((resolve) => server.close(resolve));
  }
  return ports;
}
