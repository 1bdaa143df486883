// The attention and runs views, and the report as a file, in a real Chromium.  Usage: node views.mjs PROGRAM
// Makes a small study and the first experiment with PROGRAM in a directory of its own, which its server then shows; what is
// on the page is compared with what the server's routes say. Environment and exit status: harness.mjs.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const program = process.argv[2];
const work = mkdtempSync(join(tmpdir(), 'tempo-views-'));
process.on('exit', () => rmSync(work, { recursive: true, force: true }));
process.env.XDG_DATA_HOME = join(work, 'data');

function tempo(...args) {
  const r = spawnSync(program, args, { encoding: 'utf8', cwd: work });
  assert.equal(r.status, 0, `tempo ${args.join(' ')}: ${r.stderr}`);
}
tempo('study', 'run', '--max-prompts', '8', '--steps', '3', '--out', join(work, 'study'));
tempo('experiment', 'run', 'exp1', '--out', join(work, 'experiments'));
tempo('study', 'report', join(work, 'study'), '--html', join(work, 'report.html'));

// after the runs are there: the server begins with them
const { accessible, asJson, api, browser, finish, fits, open, shots, test } = await import('./harness.mjs');

const { runs } = await asJson('v1/tempo/runs');
const study = runs.find((r) => r.kind === 'study');
const experiment = runs.find((r) => r.kind === 'experiment');
const report = await asJson(`v1/tempo/runs/${study.id}/report`);
const confirmatory = report.report.models[0].thresholds[0];
const exploratory = report.report.models[0].thresholds[1];

const percent = (p) => {
  const x = 100 * p;
  return x === 0 ? '0%' : x >= 99.95 ? (x >= 100 ? '100%' : '>99.9%') : x >= 9.95 ? `${x.toFixed(0)}%` : x >= 0.995 ? `${x.toFixed(1)}%` : `${x.toPrecision(2)}%`;
};
const said = { identical: 'identical', equivalent: 'equivalent', different: 'different', inconclusive: 'inconclusive', 'too few prompts': 'too few prompts', 'no data': 'no data' };
const card = (page, id) => page.locator(`article[aria-labelledby="verdict-${id}"]`);

async function cardsAreThoseOf(page, threshold) {
  for (const d of threshold.decisions) {
    const text = await card(page, d.id).innerText();
    assert.ok(text.includes(said[d.verdict]), `${d.id}: ${d.verdict} is not in ${text}`);
    if (d.mean >= 1e-4) assert.ok(text.includes(d.mean.toPrecision(3)), `${d.id}: the mean ${d.mean} is not in ${text}`);
    assert.ok(text.includes(String(d.n)), `${d.id}: n`);
  }
  for (const id of ['A1', 'D1'])
    assert.match(await card(page, id).innerText(), threshold.deterministic[id].holds ? /holds/ : /does not hold/);
}

test('runs: all are there with their verdicts; headers sort, words filter', async () => {
  const page = await open({}, '#/runs');
  const names = page.locator('tbody th a');
  await names.first().waitFor();
  assert.equal(await names.count(), runs.length);
  const row = page.locator('tbody tr', { hasText: study.id });
  for (const h of study.headline) for (const v of h.verdicts) await row.getByText(said[v]).and(row.locator('.verdict', { hasText: h.id })).waitFor();
  await page.getByRole('button', { name: /^Run/ }).click();
  assert.equal(await page.locator('th[aria-sort="ascending"]').innerText().then((t) => t.trim().slice(0, 3)), 'Run');
  const shown = await names.allInnerTexts();
  assert.deepEqual(shown, [...shown].sort());
  await page.getByLabel('Find').fill(`study ${study.id.slice(0, 8)}`);
  assert.equal(await names.count(), 1);
  await page.getByLabel('Find').fill('no such run');
  await page.getByText('No run matches.').waitFor();
  return page;
});

test("a study's report: cards, distributions and tables are what the report says", async () => {
  const page = await open({}, '#/runs');
  await page.locator('tbody th a', { hasText: study.name }).click();
  await page.getByRole('heading', { name: report.report.title }).waitFor();
  await cardsAreThoseOf(page, confirmatory);
  // every prompt value is a dot, and a line of the table
  for (const id of ['A2', 'B', 'C', 'D2']) {
    const values = report.values.flatMap((v) => v.values[id]).filter((x) => x !== null);
    const figure = page.locator('figure', { has: page.getByRole('heading', { name: new RegExp(`^${id} ·`) }) });
    assert.equal(await figure.locator('.chart:not([aria-hidden]) circle.dot').count(), values.length, `${id}: dots`);
    await figure.getByText('Show the numbers').click();
    await figure.locator('tbody tr').first().waitFor();
    assert.equal(await figure.locator('tbody tr').count(), values.length, `${id}: lines`);
    const bound = confirmatory.decisions.find((d) => d.id === id).bound;
    await figure.getByText(`bound ${id === 'D2' ? '±' : ''}${bound}`).waitFor();
  }
  const heads = confirmatory.exploratory.heads;
  assert.equal(await page.locator('figure', { hasText: 'Attention on siblings, by layer' }).locator('.chart:not([aria-hidden]) circle.dot').count(), heads.sibling_share.flat().length);
  assert.equal(await page.locator('figure', { hasText: 'Is visible mode faster?' }).locator('.chart:not([aria-hidden]) .pair').count(), report.report.timing[0].raw.length);
  await page.locator('figure', { hasText: 'Is visible mode faster?' }).getByText(`published ${report.report.timing[0].published_percent}%`).first().waitFor();
  await page.getByRole('button', { name: /replication/ }).click();
  await cardsAreThoseOf(page, exploratory);
  await page.getByText('How to read this').click();
  await page.getByText('That is not “the same”').waitFor();
  return page;
});

test('an experiment: published beside replay beside true arms, set by set', async () => {
  const page = await open({}, `#/runs/${experiment.id}`);
  const entry = (await asJson(`v1/tempo/runs/${experiment.id}/report`)).experiments[0];
  await page.getByRole('heading', { name: /Published, replayed/ }).waitFor();
  const rows = page.locator('tbody tr[data-arm]');
  assert.deepEqual(await rows.evaluateAll((all) => all.map((r) => r.dataset.arm)), ['published-isolated', 'published-visible', 'replay', 'isolated', 'visible']);
  const visibleSpaces = (t) => t.replaceAll('\n', '⏎').replace(/^ +| +$/g, (s) => '·'.repeat(s.length));
  for (const arm of entry.cases[0].arms) {
    const cells = page.locator(`tr[data-arm="${arm.arm}"] td`);
    for (let s = 0; s < arm.sets.length; s++)
      assert.deepEqual(await cells.nth(s).locator('.member').allInnerTexts(), arm.sets[s].map((m) => visibleSpaces(m.text)), `${arm.arm}, step ${s}`);
  }
  await page.getByText('both modes give the same bits').first().waitFor();
  await page.getByRole('link', { name: /Look at its attention/ }).click();
  await page.getByRole('heading', { name: /^All heads/ }).waitFor();
  return page;
});

test('the report as a file: no server, no network, the same cards; it prints in light', async () => {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, offline: true, colorScheme: 'dark' });
  const page = await context.newPage();
  const asked = [];
  const wrong = [];
  context.on('request', (r) => asked.push(r.url()));
  page.on('console', (m) => ['error', 'warning'].includes(m.type()) && wrong.push(m.text()));
  page.on('pageerror', (e) => wrong.push(e.stack));
  const address = pathToFileURL(join(work, 'report.html')).href;
  await page.goto(address);
  await page.getByRole('heading', { name: report.report.title }).waitFor();
  await cardsAreThoseOf(page, confirmatory);
  assert.deepEqual([asked.filter((u) => u !== address), wrong], [[], []]);
  await fits(page, 'report.html');
  await accessible(page, 'report.html');
  assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'dark');
  await page.evaluate(() => dispatchEvent(new Event('beforeprint')));
  assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'light');
  await page.evaluate(() => dispatchEvent(new Event('afterprint')));
  assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'dark');
  return page;
});

/** The id of what an earlier test recorded, or of a generation that is recorded now. */
async function recorded() {
  const { generations } = await asJson('v1/tempo/generations');
  if (generations[0]) return generations[0].id;
  const request = { prompt: 'The cat sat on the', arms: ['isolated', 'visible'], steps: 10, threshold: 0.05, record: ['attention'], stream: false };
  return (await asJson('v1/tempo/generate', request)).start.id;
}

/** A slice as the route gives it. */
async function slice(id, query) {
  const r = await api(`v1/tempo/generations/${id}/attention?${new URLSearchParams(query)}`);
  return { shape: r.headers.get('x-tempo-shape').split(',').map(Number), data: new Float32Array(await r.arrayBuffer()) };
}

test('attention: an example is recorded; overview, map and table show the numbers of the routes', async () => {
  const page = await open({}, '#/attention');
  await page.getByRole('button', { name: /record an example/i }).click();
  await page.getByRole('heading', { name: /^All heads/ }).waitFor();
  const { generations } = await asJson('v1/tempo/generations');
  const id = generations[0].id;
  const steps = await asJson(`v1/tempo/generations/${id}/attention/steps?arm=visible`);
  const step = steps.steps.find((s) => s.rows > 1).step;
  await page.getByRole('combobox', { name: 'Step', exact: true }).selectOption(String(step));
  await page.getByRole('heading', { name: `All heads, step ${step}` }).waitFor();
  const summary = await asJson(`v1/tempo/generations/${id}/attention/summary?arm=visible&step=${step}&top_keys=0`);
  const cell = (l, h) => page.locator(`[data-cell="${l}-${h}"]`);
  for (const [l, h] of [[0, 0], [3, 5], [steps.layers - 1, steps.heads - 1]])
    await page.locator(`[data-cell="${l}-${h}"][aria-label="layer ${l}, head ${h}: ${percent(summary.sibling_mass[l][h])}"]`).waitFor();
  await cell(3, 5).click();
  await page.getByRole('heading', { name: 'Layer 3, head 5' }).waitFor();
  const { shape, data } = await slice(id, { arm: 'visible', step, layer: 3, head: 5 });
  assert.deepEqual(shape, [steps.steps[step].rows, steps.steps[step].slots]);
  // the table: the most attended slots of the first row, in order
  const first = [...data.slice(0, shape[1])].map((w, slot) => ({ w, slot })).sort((a, b) => b.w - a.w);
  const table = page.locator('section[aria-label="The chosen row in numbers"] tbody tr');
  await table.first().filter({ hasText: percent(first[0].w) }).waitFor();
  assert.deepEqual(await table.locator('td:nth-child(3)').allInnerTexts(), first.slice(0, 10).filter((k) => k.w > 0).map((k) => String(k.slot)));
  // the map has keys of its own and says where they lead
  const map = page.getByRole('application', { name: /^Attention/ });
  await map.focus();
  await page.keyboard.press('Home');
  await page.keyboard.press('ArrowDown');
  await page.locator('[role="status"]').filter({ hasText: `slot 0: ${percent(data[shape[1]])}` }).waitFor({ state: 'attached' });
  // the canvas is painted, and zooming paints it anew
  const pixels = () => map.locator('canvas').evaluate((c) => c.toDataURL());
  const whole = await pixels();
  await page.keyboard.press('+');
  await page.keyboard.press('+');
  await page.waitForFunction((before) => document.querySelector('canvas').toDataURL() !== before, whole);
  await page.keyboard.press('0');
  await page.waitForFunction((before) => document.querySelector('canvas').toDataURL() === before, whole);
  // isolated: nobody sees siblings
  await page.getByRole('button', { name: /isolated/ }).click();
  await page.getByText('Nobody looks at siblings').or(page.getByText('This step reads one row')).first().waitFor();
  await page.getByRole('button', { name: /visible/ }).click();
  // all steps below each other; the address holds it
  await page.getByRole('button', { name: 'all steps' }).click();
  await page.getByRole('button', { name: 'log', exact: true }).click();
  const rows = steps.steps.reduce((a, s) => a + s.rows, 0);
  await page.getByRole('application', { name: `Attention, ${rows} rows by ${Math.max(...steps.steps.map((s) => s.slots))} slots` }).waitFor();
  await page.reload();
  await page.getByRole('application', { name: `Attention, ${rows} rows` }).waitFor();
  await page.getByRole('heading', { name: 'Layer 3, head 5' }).waitFor();
  assert.equal(await page.getByRole('button', { name: 'log', exact: true }).getAttribute('aria-pressed'), 'true');
  return page;
});

test('attention: the keyboard alone opens a head and goes from step to step', async () => {
  const id = await recorded();
  const page = await open({}, `#/attention?gen=${id}&arm=visible&step=2`);
  await page.getByRole('heading', { name: 'All heads, step 2' }).waitFor();
  const focused = () => page.evaluate(() => document.activeElement?.getAttribute('data-cell'));
  for (let i = 0; i < 40 && (await focused()) === null; i++) await page.keyboard.press('Tab');
  assert.ok(await focused(), 'no cell can be reached with Tab');
  await page.keyboard.press('PageUp');
  await page.keyboard.press('Home');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowRight');
  assert.equal(await focused(), '1-1');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Layer 1, head 1' }).waitFor();
  await page.getByRole('button', { name: 'Next step' }).focus();
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'All heads, step 3' }).waitFor();
  return page;
});

test('attention of a run is that of its files, and what was not recorded is said', async () => {
  const page = await open({}, `#/attention?run=${experiment.id}&arm=isolated&step=3&layer=2&head=1`);
  await page.getByRole('heading', { name: 'Layer 2, head 1' }).waitFor();
  await page.getByRole('button', { name: /replay/ }).waitFor();
  const gone = await open({ allow: ['404'] }, '#/attention?gen=gen-000000000000000000000000');
  await gone.getByRole('alert').filter({ hasText: 'made room for others' }).waitFor();
  await gone.context().close();
  return page;
});

test('views: nothing is wider than the window, axe finds nothing serious, light and dark', async () => {
  const id = await recorded();
  const places = [
    ['runs', '#/runs', (p) => p.locator('tbody th a').first()],
    ['study', `#/runs/${study.id}`, (p) => p.getByRole('heading', { name: report.report.title })],
    ['experiment', `#/runs/${experiment.id}`, (p) => p.locator('tbody tr[data-arm]').first()],
    ['attention', `#/attention?gen=${id}&arm=visible&step=3&layer=6&head=7`, (p) => p.getByRole('application', { name: /^Attention/ })],
  ];
  for (const [width, height] of [[360, 780], [1280, 900], [2560, 1300]])
    for (const colorScheme of ['light', 'dark'])
      for (const [name, hash, there] of places) {
        const page = await open({ viewport: { width, height }, colorScheme }, hash);
        await there(page).waitFor();
        const what = `${name}, ${width} px, ${colorScheme}`;
        await fits(page, what);
        await accessible(page, what);
        if (shots) await page.screenshot({ path: join(shots, `${name}-${width}-${colorScheme}.png`), fullPage: name !== 'runs' });
        await page.context().close();
      }
});

await finish();
