// The page where it is not at the root of its server's port, and where the server goes away.  Usage: node places.mjs PROGRAM
// Environment as of harness.mjs, which it shares nothing with: it starts and ends servers itself.  Exit 0: all passed.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, request as ask } from 'node:http';
import { connect, createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { startServer } from './serve.mjs';

const program = process.argv[2];
if (!program || /^https?:/.test(program)) {
  console.error('usage: node places.mjs PROGRAM');
  process.exit(2);
}
const data = mkdtempSync(join(tmpdir(), 'tempo-places-'));
process.on('exit', () => rmSync(data, { recursive: true, force: true }));
process.env.XDG_DATA_HOME = data;

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--host-resolver-rules=MAP tempo.example 127.0.0.1'],
});

/** A page whose errors, and requests outside of base, are trouble. */
async function open(base, hash = '') {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, reducedMotion: 'reduce' });
  const page = await context.newPage();
  page.setDefaultTimeout(20000);
  page.trouble = [];
  // of an address that is neither TLS nor this machine's a browser takes no opener policy, and says so
  page.on('console', (m) => ['error', 'warning'].includes(m.type()) && !m.text().includes('Cross-Origin-Opener-Policy') && page.trouble.push(m.text()));
  page.on('pageerror', (e) => page.trouble.push(e.stack));
  context.on('request', (r) => r.url().startsWith(base) || page.trouble.push(`asks for ${r.url()}`));
  await page.goto(base + hash);
  return page;
}

const view = async (page, name) => {
  await page.getByRole('link', { name, exact: true }).click();
  await page.waitForFunction((v) => document.title.endsWith(v), name);
};
const finished = (page) => page.locator('[role="status"]').filter({ hasText: /^Done/ }).waitFor({ state: 'attached' });
const listening = (s) => new Promise((done) => s.listen(0, '127.0.0.1', () => done(s.address().port)));

/** Everything the page does, once. */
async function works(base) {
  const page = await open(base);
  await page.getByText(/First set:/).waitFor();
  await page.getByRole('button', { name: 'Run the prompt' }).click();
  await finished(page);
  await page.locator('[data-at="0,1,0"]').hover();
  await page.getByRole('link', { name: 'All layers and heads of this step' }).click();
  await page.getByRole('application', { name: /^Attention/ }).waitFor();
  await view(page, 'Compare');
  await page.getByRole('button', { name: /Run isolated beside/ }).click();
  await finished(page);
  await view(page, 'Runs');
  await page.getByText('No runs yet').waitFor();
  assert.deepEqual(page.trouble, []);
  const doc = await page.evaluate(() => fetch('openapi.json').then((r) => r.json()));
  const info = new URL(`${doc.servers[0].url}/v1/tempo/info`, new URL('openapi.json', base));
  assert.equal(info.href, `${base}v1/tempo/info`);
  const link = page.url();
  await page.context().close();
  const again = await open(link.slice(0, link.indexOf('#')), '#/play?prompt=A+cat&threshold=0.1&steps=3');
  await finished(again);
  assert.deepEqual(again.trouble, []);
  await again.context().close();
}

const tests = {
  async 'through a forwarded port'() {
    const server = await startServer(program);
    const port = Number(new URL(server.base).port);
    const forward = createTcpServer((a) => {
      const b = connect(port, '127.0.0.1');
      for (const s of [a, b]) s.on('error', () => (a.destroy(), b.destroy()));
      a.pipe(b).pipe(a);
    });
    await works(`http://localhost:${await listening(forward)}/`);
    forward.close();
    assert.equal(await server.stop(), 0);
  },

  async 'through a proxy of another name that takes a path away'() {
    const server = await startServer(program, ['--allow-host', 'tempo.example']);
    const port = Number(new URL(server.base).port);
    const proxy = createServer((q, r) => {
      if (!q.url.startsWith('/deep/er/')) return void r.writeHead(404).end();
      const on = ask({ port, host: '127.0.0.1', method: q.method, path: q.url.slice('/deep/er'.length), headers: q.headers }, (a) => {
        r.writeHead(a.statusCode, a.headers);
        a.pipe(r);
      });
      on.on('error', () => r.destroy());
      q.pipe(on);
    });
    await works(`http://tempo.example:${await listening(proxy)}/deep/er/`);
    proxy.close();
    proxy.closeAllConnections();
    assert.equal(await server.stop(), 0);
  },

  async 'below a path of its own'() {
    const server = await startServer(program, ['--base-path', '/on/tempo']);
    await works(`${server.base}on/tempo/`);
    const page = await open(server.base, 'on/tempo'); // without the slash: led to where addresses hold
    await page.getByText(/First set:/).waitFor();
    assert.equal(page.url(), `${server.base}on/tempo/`);
    await page.context().close();
    assert.equal(await server.stop(), 0);
  },

  async 'views that are opened when the server is gone say so, and come when it is back'() {
    let server = await startServer(program);
    const { base } = server;
    const port = new URL(base).port;
    const page = await open(base);
    await page.getByText(/First set:/).waitFor();
    assert.equal(await server.stop(), 0);
    for (const name of ['Compare', 'Attention', 'Runs']) {
      await view(page, name);
      await page.getByRole('alert').filter({ hasText: 'The server does not answer' }).waitFor();
    }
    await page.getByRole('button', { name: 'Try again' }).click();
    await page.getByRole('alert').filter({ hasText: 'The server does not answer' }).waitFor();
    server = await startServer(program, ['--port', port]);
    for (const [name, there] of [['Runs', 'No runs yet'], ['Attention', 'Nothing is recorded yet'], ['Compare', 'What do siblings see in each other?']]) {
      await view(page, name);
      const retry = page.getByRole('button', { name: 'Try again' });
      if (await retry.count()) await retry.first().click();
      await page.getByText(there).waitFor();
    }
    assert.equal(await server.stop(), 0);
    // they are loaded now: what they ask for fails, and is said in each
    for (const name of ['Runs', 'Attention']) {
      await view(page, name);
      await page.getByRole('alert').filter({ hasText: 'The server does not answer' }).waitFor();
      await page.getByRole('button', { name: 'Try again' }).waitFor();
    }
    for (const name of ['Compare', 'Playground']) {
      await view(page, name);
      await page.getByRole('button', { name: '▶ Run', exact: true }).click();
      await page.getByRole('alert').filter({ hasText: 'The server does not answer' }).waitFor();
    }
    await page.context().close();
  },

  async 'a recording that the server has no longer is recorded again from its address'() {
    let server = await startServer(program);
    const { base } = server;
    const port = new URL(base).port;
    const page = await open(base);
    await page.getByRole('button', { name: 'Run the prompt' }).click();
    await finished(page);
    await page.locator('[data-at="0,2,0"]').hover();
    await page.getByRole('link', { name: 'All layers and heads of this step' }).click();
    await page.getByRole('heading', { name: 'All heads, step 3' }).waitFor();
    await page.locator('[data-cell="1-2"]').click();
    await page.getByRole('heading', { name: 'Layer 1, head 2' }).waitFor();
    const numbers = () => page.locator('section[aria-label="The chosen row in numbers"] tbody').innerText();
    const before = await numbers();
    const link = page.url();
    assert.equal(await server.stop(), 0);
    server = await startServer(program, ['--port', port]);
    // the run that is still in the page
    await view(page, 'Playground');
    await page.locator('[data-at="0,1,0"]').hover();
    await page.getByRole('button', { name: 'Record it again' }).click();
    await page.waitForFunction(() => document.querySelectorAll('.tree button').length === 2);
    await finished(page);
    await page.locator('[data-at="0,2,0"]').hover();
    await page.locator('.inspector ol li').first().waitFor();
    await page.context().close();
    assert.equal(await server.stop(), 0);
    server = await startServer(program, ['--port', port]);
    // its address, in a page that knows nothing of it
    const again = await open(base, link.slice(base.length));
    await again.getByRole('alert').filter({ hasText: 'the server was started again' }).waitFor();
    await again.getByRole('button', { name: 'Record it again' }).click();
    await again.getByRole('heading', { name: 'All heads, step 3' }).waitFor();
    await again.getByRole('heading', { name: 'Layer 1, head 2' }).waitFor();
    await again.locator('section[aria-label="The chosen row in numbers"] tbody tr').first().waitFor();
    assert.equal(await again.locator('section[aria-label="The chosen row in numbers"] tbody').innerText(), before);
    assert.notEqual(again.url(), link);
    assert.equal(await again.getByRole('alert').count(), 0);
    // one whose request nobody knows
    await again.goto(`${base}#/attention?gen=gen-000000000000000000000000`);
    await again.getByRole('alert').filter({ hasText: 'does not say which request' }).waitFor();
    await again.context().close();
    assert.equal(await server.stop(), 0);
  },
};

let failed = 0;
for (const [name, test] of Object.entries(tests)) {
  if (process.env.ONLY && !name.includes(process.env.ONLY)) continue;
  try {
    await test();
    console.log(`ok      ${name}`);
  } catch (e) {
    failed++;
    console.log(`FAILED  ${name}\n${e.stack}`);
  }
  for (const c of browser.contexts()) await c.close();
}
await browser.close();
process.exit(failed ? 1 : 0);
