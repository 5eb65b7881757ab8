/**
 * One training run per name on this machine: two would replace each other's files.
 *
 * The lock is a local socket that the run listens on. The system closes it when the process ends,
 * however it ends, so a killed run never blocks its name: nothing answers there any more.
 */
import { createHash } from 'node:crypto';
import { realpathSync, rmSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';

/**
 * Takes the lock of the run whose files begin with `stem`; returns what gives it back. The folder
 * has to exist.
 * @throws RangeError if another process holds it.
 */
export async function lockRun(stem: string): Promise<() => void> {
  const path = join(realpathSync(dirname(stem)), basename(stem));
  const name = `cache-once-${createHash('sha256').update(path).digest('hex').slice(0, 16)}`;
  // Windows names such sockets apart from files, elsewhere the path has to be short.
  const isWindows = process.platform === 'win32';
  const address = isWindows ? `\\\\.\\pipe\\${name}` : join(tmpdir(), `${name}.sock`);
  let server = await listenAt(address);
  if (!server && !(await answers(address))) {
    rmSync(address, { force: true }); // of a run that was killed
    server = await listenAt(address);
  }
  if (!server) {
    throw new RangeError(
      `Another process trains ${stem} just now. Wait for its end, or give another --name.`,
    );
  }
  const held = server.unref();
  return () => held.close();
}

function listenAt(address: string): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' ? resolve(undefined) : reject(error),
    );
    server.listen(address, () => resolve(server));
  });
}

function answers(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(address);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    // What is refused to another user is in use.
    socket.once('error', (error: NodeJS.ErrnoException) =>
      resolve(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT'),
    );
  });
}
