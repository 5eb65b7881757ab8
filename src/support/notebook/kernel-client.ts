/**
 * Talks to a Jupyter kernel without Jupyter: starts one, sends it cells, collects what they print.
 *
 * The protocol is five ZeroMQ sockets and signed JSON messages; two of them are enough here: `shell` for requests and
 * replies, `iopub` for what a cell prints on the way. Source: jupyter-client's "Messaging in Jupyter".
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
  outputs: Output[];
  elapsedMs: number;
}
interface Message {
  header: { msg_type: string };
  parent_header: { msg_id?: string };
  content: Record<string, unknown>;
}

export class KernelClient {
  /** What was displayed under an id, in any cell: a later message may redraw it. */
  private readonly displayed = new Map<string, Output[]>();

  private constructor(
    private readonly process: ChildProcess,
    private readonly shell: Dealer,
    private readonly iopub: Subscriber,
    private readonly key: string,
    private readonly folder: string,
  ) {}

  /** @param argv a kernel spec's, with {connection_file} in it. */
  static async start(argv: string[], env: NodeJS.ProcessEnv = process.env): Promise<KernelClient> {
    const [shellPort, iopubPort, stdinPort, controlPort, heartbeatPort] = await freePorts(5);
    const key = randomUUID();
    const folder = mkdtempSync(join(tmpdir(), 'cache-once-kernel-'));
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
    const file = join(folder, 'connection.json');
    writeFileSync(file, JSON.stringify(connection));
    const [program, ...args] = argv.map((arg) => (arg === '{connection_file}' ? file : arg)) as [
      string,
      ...string[],
    ];
    const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit'], env });
    const shell = new Dealer();
    const iopub = new Subscriber();
    shell.connect(`tcp://127.0.0.1:${shellPort}`);
    iopub.connect(`tcp://127.0.0.1:${iopubPort}`);
    iopub.subscribe();
    const client = new KernelClient(child, shell, iopub, key, folder);
    await client.handshake();
    return client;
  }

  /**
   * Asks until an answer is heard on `iopub`. A subscriber that connects late misses what was said before, and the "idle"
   * of a first cell, once missed, would be waited for in vain.
   * @throws Error if the kernel says nothing for a minute.
   */
  private async handshake(): Promise<void> {
    this.iopub.receiveTimeout = 250;
    try {
      for (const patience = Date.now() + 60_000; Date.now() < patience; ) {
        if (this.process.exitCode !== null) break;
        await this.send(this.header('kernel_info_request', randomUUID()), {});
        const heard = await this.iopub.receive().then(
          () => true,
          () => false, // nothing yet
        );
        if (heard) return;
      }
      this.stop();
      throw new Error('the kernel does not answer; npm run doctor says whether tslab is installed');
    } finally {
      if (!this.iopub.closed) this.iopub.receiveTimeout = -1;
    }
  }

  private header(msg_type: string, msg_id: string): object {
    return {
      msg_id,
      msg_type,
      username: 'walkthrough',
      session: this.key,
      date: new Date().toISOString(),
      version: '5.3',
    };
  }

  /**
   * Runs one cell. The cell is over when the kernel has replied and said that it is idle.
   * @throws Error if it takes longer than `timeoutMs` or the kernel dies.
   */
  async execute(code: string, timeoutMs: number): Promise<CellResult> {
    const started = performance.now();
    const id = randomUUID();
    await this.send(this.header('execute_request', id), {
      code,
      silent: false,
      store_history: true,
      user_expressions: {},
      allow_stdin: false,
      stop_on_error: true,
    });
    const collect = async (): Promise<CellResult> => {
      const outputs: Output[] = [];
      const reply = this.nextReply(id);
      for await (const frames of this.iopub) {
        const message = parse(frames);
        if (message.parent_header.msg_id !== id) continue;
        if (message.header.msg_type === 'status' && message.content.execution_state === 'idle')
          break;
        addOutput(outputs, message, this.displayed);
      }
      return { status: await reply, outputs, elapsedMs: performance.now() - started };
    };
    let timer: NodeJS.Timeout | undefined;
    const tooLong = new Promise<never>((_, refuse) => {
      timer = setTimeout(
        () => refuse(new Error(`it took longer than ${timeoutMs / 1000} s`)),
        timeoutMs,
      );
    });
    const died = new Promise<never>((_, refuse) =>
      this.process.once('exit', (code) => refuse(new Error(`the kernel ended (code ${code})`))),
    );
    try {
      return await Promise.race([collect(), tooLong, died]);
    } finally {
      clearTimeout(timer);
      this.process.removeAllListeners('exit');
    }
  }

  private async nextReply(id: string): Promise<'ok' | 'error'> {
    for await (const frames of this.shell) {
      const message = parse(frames);
      if (message.parent_header.msg_id === id && message.header.msg_type === 'execute_reply')
        return message.content.status === 'ok' ? 'ok' : 'error';
    }
    throw new Error('the kernel closed its socket');
  }

  private async send(header: object, content: object): Promise<void> {
    const parts = [header, {}, {}, content].map((part) => JSON.stringify(part));
    const hmac = createHmac('sha256', this.key);
    for (const part of parts) hmac.update(part);
    await this.shell.send(['<IDS|MSG>', hmac.digest('hex'), ...parts]);
  }

  stop(): void {
    this.process.removeAllListeners('exit');
    this.process.kill('SIGKILL');
    this.shell.close();
    this.iopub.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function parse(frames: Buffer[]): Message {
  const start = frames.findIndex((frame) => frame.toString() === '<IDS|MSG>');
  const [header, parent_header, , content] = frames
    .slice(start + 2)
    .map((frame) => JSON.parse(frame.toString()));
  return { header, parent_header, content };
}

/** What a notebook file keeps of a message: streams of one name are joined, of a display that is redrawn the last state stays. */
function addOutput(
  outputs: Output[],
  { header, content }: Message,
  displayed: Map<string, Output[]>,
): void {
  const { msg_type } = header;
  if (msg_type === 'stream') {
    const last = outputs.at(-1);
    if (last?.output_type === 'stream' && last.name === content.name)
      last.text += content.text as string;
    else
      outputs.push({
        output_type: 'stream',
        name: content.name as 'stdout',
        text: content.text as string,
      });
  } else if (msg_type === 'display_data' || msg_type === 'execute_result') {
    const data = content.data as Record<string, unknown>;
    const output: Output = { output_type: msg_type, data, metadata: {} };
    if (msg_type === 'execute_result') output.execution_count = content.execution_count as number;
    outputs.push(output);
    const id = (content.transient as { display_id?: string } | undefined)?.display_id;
    if (id !== undefined) displayed.set(id, [...(displayed.get(id) ?? []), output]);
  } else if (msg_type === 'update_display_data') {
    // An id that was never displayed is passed over, as Jupyter does.
    const id = (content.transient as { display_id?: string } | undefined)?.display_id ?? '';
    for (const output of displayed.get(id) ?? [])
      output.data = content.data as Record<string, unknown>;
  } else if (msg_type === 'error')
    outputs.push({ output_type: 'error', text: (content.traceback as string[]).join('\n') });
}

async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<ReturnType<typeof createServer>>((resolve) => {
          const server = createServer().listen(0, '127.0.0.1', () => resolve(server));
        }),
    ),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
