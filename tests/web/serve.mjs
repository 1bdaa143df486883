// A tempo server for a test: startServer(PROGRAM or address) -> {base, stop}; base ends with a slash.
import { spawn } from 'node:child_process';
import { createServer } from 'node:net';

const WAIT_MS = 300000; // a server that hangs, not one on a busy machine

/** A port that nothing listens on now. */
function freePort() {
  return new Promise((found, failed) => {
    const probe = createServer();
    probe.once('error', failed);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => found(port));
    });
  });
}

/** target is a program that can `serve`, or the address of a server that runs already. */
export async function startServer(target, options = []) {
  if (/^https?:/.test(target)) return { base: target.endsWith('/') ? target : `${target}/`, pid: null, stop: async () => {} };
  const at = options.indexOf('--port');
  const port = at < 0 ? await freePort() : Number(options[at + 1]);
  const base = `http://127.0.0.1:${port}/`;
  const server = spawn(target, ['serve', ...(at < 0 ? ['--port', String(port)] : []), ...options], { stdio: ['ignore', 'pipe', 'pipe'] });
  const over = new Promise((done) => server.once('exit', (code, signal) => done(signal ?? code)));
  let words = '';
  for (const s of [server.stdout, server.stderr]) s.on('data', (d) => (words += d));
  for (const end = Date.now() + WAIT_MS; ; ) {
    if (server.exitCode !== null) throw new Error(`the server ended with ${server.exitCode}: ${words}`);
    if (await fetch(`${base}health`).then((r) => r.ok, () => false)) break;
    if (Date.now() > end) {
      server.kill('SIGKILL');
      throw new Error(`the server does not answer: ${words}`);
    }
    await new Promise((r) => setTimeout(r, 50));
  }
  return {
    base,
    pid: server.pid,
    /** How it ended after SIGTERM: 0. */
    stop: async () => {
      server.kill('SIGTERM');
      return over;
    },
  };
}
