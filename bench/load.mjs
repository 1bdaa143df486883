// Many clients at once against `tempo serve`.  Usage: node bench/load.mjs PROGRAM [-c CLIENTS] [-s SECONDS] [-- SERVE_OPTIONS]
//
// Each client asks again and again, a stream, a document, a chat or the attention of what it recorded in turn, and now and then
// goes away in the midst of a stream; beside them /health is asked every 20 ms.  Good is: nothing but 200 and 503, every stream
// ends as it should, the server's memory,
// recordings apart, in the last third is what it was in the second, and the 99th percentile of /health is
// under 50 ms.  Exit 0: so it was.
import { readFileSync } from 'node:fs';
import { startServer } from '../tests/web/serve.mjs';

const HEALTH_MS = 20;
const HEALTH_P99_MS = 50;
const MEMORY_SLACK = 16 << 20; // of what allocators keep for themselves

const args = process.argv.slice(2);
const cut = args.indexOf('--');
const serveOptions = cut >= 0 ? args.splice(cut).slice(1) : [];
const option = (name, fallback) => {
  const i = args.indexOf(name);
  return i >= 0 ? Number(args.splice(i, 2)[1]) : fallback;
};
const clients = option('-c', 50);
const seconds = option('-s', 30);
const [program] = args;
if (!program || args.length !== 1 || !(clients > 0) || !(seconds > 0)) {
  console.error('usage: node bench/load.mjs PROGRAM [-c CLIENTS] [-s SECONDS] [-- SERVE_OPTIONS]');
  process.exit(2);
}

const server = await startServer(program, serveOptions);
const begin = performance.now();
const end = begin + seconds * 1000;
const counts = new Map();
const problems = [];
let tokens = 0;

const count = (what) => counts.set(what, (counts.get(what) ?? 0) + 1);
const nap = (ms) => new Promise((r) => setTimeout(r, ms));
const post = (path, body, signal) =>
  fetch(server.base + path, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body), signal });

/** The answer if it is one; a 503 is waited for. */
async function answered(kind, response) {
  count(`${kind} ${response.status}`);
  if (response.status === 200) return true;
  const text = await response.text();
  if (response.status !== 503) problems.push(`${kind}: ${response.status} ${text.slice(0, 200)}`);
  else if (!response.headers.get('retry-after')) problems.push(`${kind}: a 503 without Retry-After`);
  await nap(100 + Math.random() * 200);
  return false;
}

const kinds = {
  async stream(prompt) {
    const r = await post('v1/tempo/generate', { prompt, steps: 40, threshold: 0.05, arms: ['isolated', 'visible'], attention: true });
    if (!(await answered('stream', r))) return;
    const text = await r.text();
    tokens += (text.match(/^event: set$/gm) ?? []).length;
    if (!text.includes('event: done\n')) problems.push(`stream: ends with ${JSON.stringify(text.slice(-200))}`);
  },
  async document(prompt) {
    const r = await post('v1/completions', { model: 'tempo', prompt, max_tokens: 40, temperature: 0.9, logprobs: 3 });
    if (!(await answered('document', r))) return;
    tokens += (await r.json()).usage.completion_tokens;
  },
  async chat(prompt) {
    const r = await post('v1/chat/completions', { model: 'tempo', messages: [{ role: 'user', content: prompt }], max_tokens: 40, stream: true });
    if (!(await answered('chat', r))) return;
    if (!(await r.text()).endsWith('data: [DONE]\n\n')) problems.push('chat: a stream without its end');
  },
  async recorded(prompt) {
    const r = await post('v1/tempo/generate', { prompt, steps: 10, record: ['attention'], stream: false });
    if (!(await answered('recorded', r))) return;
    const { start } = await r.json();
    const a = await fetch(`${server.base}v1/tempo/generations/${start.id}/attention?arm=isolated&step=3&layer=mean`);
    count(`attention ${a.status}`);
    await a.arrayBuffer();
    if (a.status !== 200 && a.status !== 404) problems.push(`attention: ${a.status}`); // 404: others needed the room
  },
  async leaving(prompt) {
    const gone = new AbortController();
    const r = await post('v1/tempo/generate', { prompt, steps: 200, stop: 'never', attention: true }, gone.signal);
    if (!(await answered('leaving', r))) return;
    await r.body.getReader().read();
    gone.abort();
  },
};

async function client(n) {
  const names = Object.keys(kinds);
  for (let i = n; performance.now() < end; i++) {
    const kind = names[i % names.length];
    try {
      await kinds[kind](`Once upon a time there was number ${i}`);
    } catch (e) {
      problems.push(`${kind}: ${e.cause?.code ?? e.message}`);
    }
  }
}

const health = [];
async function askHealth() {
  while (performance.now() < end) {
    const t = performance.now();
    const r = await fetch(`${server.base}health`);
    await r.text();
    health.push(performance.now() - t);
    if (r.status !== 200) problems.push(`health: ${r.status}`);
    await nap(HEALTH_MS);
  }
}

/** Bytes that the server holds, less the attention it keeps up to a limit of its own; NaN where /proc does not say. */
async function memory() {
  const metrics = await (await fetch(`${server.base}metrics`)).text();
  const recorded = Number(/^tempo_recorded_bytes (\S+)$/m.exec(metrics)[1]);
  try {
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))[1]) * 1024 - recorded;
  } catch {
    return NaN;
  }
}

const thirds = [[], [], []];
async function watchMemory() {
  while (performance.now() < end) {
    const third = Math.min(2, Math.floor((3 * (performance.now() - begin)) / (seconds * 1000)));
    thirds[third].push(await memory());
    await nap(200);
  }
}

await Promise.all([askHealth(), watchMemory(), ...Array.from({ length: clients }, (_, n) => client(n))]);
const elapsed = (performance.now() - begin) / 1000;
const ended = await server.stop();

health.sort((a, b) => a - b);
const p99 = health[Math.min(health.length - 1, Math.floor(health.length * 0.99))];
const peak = thirds.map((t) => Math.max(...t));
const mb = (x) => (x / 2 ** 20).toFixed(1);
console.log(`${clients} clients, ${elapsed.toFixed(1)} s: ${[...counts].sort().map(([k, v]) => `${k}: ${v}`).join(', ')}`);
console.log(`sets and tokens: ${(tokens / elapsed).toFixed(0)} a second`);
console.log(`/health: median ${health[Math.floor(health.length / 2)].toFixed(1)} ms, 99% ${p99.toFixed(1)} ms, worst ${health.at(-1).toFixed(1)} ms of ${health.length}`);
console.log(`memory without recordings, greatest of each third: ${peak.map(mb).join(', ')} MiB`);
if (ended !== 0 && server.pid !== null) problems.push(`the server ended with ${ended}`);
if (!(p99 < HEALTH_P99_MS)) problems.push(`/health took ${p99.toFixed(1)} ms`);
if (peak[2] > peak[1] + MEMORY_SLACK) problems.push('the memory grows');
for (const p of [...new Set(problems)].slice(0, 20)) console.log(`PROBLEM ${p}`);
process.exit(problems.length === 0 ? 0 : 1);
