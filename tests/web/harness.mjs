// What the page's tests share: a server of their own, a watched browser, and running the tests one after another.
// The first argument of a test program is PROGRAM, a tempo that can `serve`, or an address of a server that runs already.
// Environment: CHROMIUM, the browser's path; TEMPO_SHOTS, a directory for pictures of the page at three widths; ONLY, a
// part of the names of the tests to run.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const WAIT_MS = 20000;
const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const shots = process.env.TEMPO_SHOTS;
if (shots) mkdirSync(shots, { recursive: true });

const target = process.argv[2];
if (!target) {
  console.error(`usage: node ${process.argv[1]} PROGRAM`);
  process.exit(2);
}

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

let server = null;
let base = target.endsWith('/') ? target : `${target}/`;
let serverWords = '';
if (!/^https?:/.test(target)) {
  const port = await freePort();
  base = `http://127.0.0.1:${port}/`;
  server = spawn(target, ['serve', '--port', String(port)], { stdio: ['ignore', 'pipe', 'pipe'] });
  for (const s of [server.stdout, server.stderr]) s.on('data', (d) => (serverWords += d));
  const end = Date.now() + WAIT_MS;
  for (;;) {
    if (server.exitCode !== null) throw new Error(`the server ended with ${server.exitCode}: ${serverWords}`);
    const ok = await fetch(`${base}health`).then((r) => r.ok, () => false);
    if (ok) break;
    if (Date.now() > end) throw new Error(`the server does not answer: ${serverWords}`);
    await new Promise((r) => setTimeout(r, 50));
  }
}

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});

/** Answers of the server, asked without the page. */
const api = async (path, body) => {
  const r = await fetch(base + path, body ? { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) } : {});
  assert.ok(r.ok, `${path}: ${r.status} ${r.ok ? '' : await r.text()}`);
  return r;
};
const asJson = async (path, body) => (await api(path, body)).json();

// Every page is watched: an error, a refused style or script, a word with another host fails the test.
const trouble = [];
async function open(options = {}, hash = '') {
  const { allow = [], ...rest } = options;
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, reducedMotion: 'reduce', ...rest });
  const page = await context.newPage();
  page.setDefaultTimeout(WAIT_MS);
  page.on('console', (m) => {
    if (['error', 'warning'].includes(m.type()) && !allow.some((a) => m.text().includes(a))) trouble.push(`console: ${m.text()}`);
  });
  page.on('pageerror', (e) => trouble.push(`error in the page: ${e.stack}`));
  page.requests = [];
  context.on('request', (r) => {
    page.requests.push(r);
    if (!r.url().startsWith(base)) trouble.push(`asks another host: ${r.url()}`);
  });
  await page.addInitScript(() => {
    addEventListener('securitypolicyviolation', (e) => console.error(`refused by the policy: ${e.violatedDirective} ${e.blockedURI} ${e.sample}`));
  });
  await page.goto(base + hash);
  page.generated = () => page.requests.filter((r) => r.url().endsWith('/v1/tempo/generate')).length;
  return page;
}

async function accessible(page, what) {
  await page.evaluate(axeSource).catch(() => undefined);
  const found = await page.evaluate(async () => {
    const r = await window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice'] });
    return r.violations.map((v) => ({ id: v.id, impact: v.impact, nodes: v.nodes.slice(0, 3).map((n) => `${n.target} ${n.failureSummary}`) }));
  });
  const serious = found.filter((v) => ['serious', 'critical'].includes(v.impact));
  assert.deepEqual(serious, [], `${what}: axe`);
}

async function fits(page, what) {
  const [inside, window] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(inside <= window, `${what}: ${inside} px wide in a window of ${window}`);
}

const tests = [];
const test = (name, f) => tests.push({ name, f });

/** Runs the tests, ends the server, and exits: 0 if all passed. */
async function finish() {
  let failed = 0;
  let ran = 0;
  for (const { name, f } of tests) {
    if (process.env.ONLY && !name.includes(process.env.ONLY)) continue;
    ran++;
    trouble.length = 0;
    try {
      const page = await f();
      assert.deepEqual(trouble, []);
      await page?.context().close();
      console.log(`ok      ${name}`);
    } catch (e) {
      failed++;
      console.log(`FAILED  ${name}\n${e.stack}\n${trouble.join('\n')}`);
      if (shots) for (const c of browser.contexts()) for (const p of c.pages()) await p.screenshot({ path: join(shots, `failed-${failed}.png`) }).catch(() => undefined);
    }
    for (const c of browser.contexts()) await c.close();
  }
  await browser.close();
  if (server) {
    server.kill('SIGTERM');
    const code = await new Promise((r) => (server.exitCode !== null ? r(server.exitCode) : server.once('exit', (c, s) => r(c ?? s))));
    if (code !== 0) {
      failed++;
      console.log(`FAILED  the server ended with ${code}: ${serverWords}`);
    }
  }
  console.log(`${ran - failed} of ${ran} tests of the page passed`);
  process.exit(failed ? 1 : 0);
}

export { WAIT_MS, accessible, api, asJson, base, browser, finish, fits, open, shots, target, test, trouble };
