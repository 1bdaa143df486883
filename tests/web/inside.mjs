// The views that look into the model, and change it, in a real Chromium.  Usage: node inside.mjs PROGRAM
// What is on the page is compared with what the server's routes say. Environment and exit status: harness.mjs.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const data = mkdtempSync(join(tmpdir(), 'tempo-inside-'));
process.on('exit', () => rmSync(data, { recursive: true, force: true }));
process.env.XDG_DATA_HOME = data; // not the runs of whoever tests

const { WAIT_MS, accessible, asJson, base, finish, fits, open, shots, test } = await import('./harness.mjs');

const PROMPT = 'The moon is made of';
const status = (page) => page.locator('[role="status"]');
const said = (page, words) => status(page).filter({ hasText: words }).waitFor({ state: 'attached' });
const shown = (t) => t.text.replaceAll(' ', '·').replaceAll('\n', '↵');
const percent = (p) => {
  const x = 100 * p;
  return x === 0 ? '0%' : x >= 99.95 ? (x >= 100 ? '100%' : '>99.9%') : x >= 9.95 ? `${x.toFixed(0)}%` : x >= 0.995 ? `${x.toFixed(1)}%` : `${x.toPrecision(2)}%`;
};
const focused = (page) => page.evaluate(() => document.activeElement?.dataset.cell);
/** What the table has, row by row. */
const cells = (page) => page.evaluate(() => [...document.querySelectorAll('table[role="grid"] tbody tr')].map((tr) => [...tr.querySelectorAll('td')].map((td) => td.textContent.trim())));
const colours = (page) => page.evaluate(() => [...document.querySelectorAll('table[role="grid"] td')].map((td) => td.style.backgroundColor).join());

async function pictures(hash, name, ready) {
  for (const [width, height] of [[360, 780], [1280, 900], [2560, 1400]])
    for (const colorScheme of ['light', 'dark']) {
      const page = await open({ viewport: { width, height }, colorScheme, hasTouch: width < 500 }, hash);
      await ready(page);
      await accessible(page, `${name}, ${width} px, ${colorScheme}`);
      await fits(page, `${name}, ${width} px`);
      if (shots) await page.screenshot({ path: join(shots, `${name}-${width}-${colorScheme}.png`), fullPage: true });
      await page.context().close();
    }
}

test('lens: the cells are the server’s, and the keyboard walks them', async () => {
  const page = await open({}, '#/lens');
  await page.getByLabel('Prompt', { exact: true }).fill(PROMPT);
  await page.getByRole('button', { name: 'Look' }).click();
  await said(page, /^Done: 6 positions, 8 layers/);
  const want = await asJson('v1/tempo/lens', { prompt: PROMPT, top: 10 });
  assert.deepEqual(await cells(page), want.points.map((_, p) => want.rows.map((r) => shown(r.points[p].top[0]))));
  const table = page.getByRole('grid');
  assert.deepEqual(await table.getByRole('rowheader').allTextContents(), ['input', '0', '1', '2', '3', '4', '5', '6', '7']);
  assert.deepEqual((await table.getByRole('columnheader').allTextContents()).map((t) => t.trim()), ['after', ...want.rows.map(shown)]);
  assert.equal(await table.locator('td[tabindex="0"]').count(), 1, 'one tab stop');
  await table.locator('td[tabindex="0"]').focus();
  assert.equal(await focused(page), '0-0');
  for (const key of ['ArrowDown', 'ArrowDown', 'ArrowRight']) await page.keyboard.press(key);
  assert.equal(await focused(page), '2-1');
  const point = want.rows[1].points[2];
  const card = page.getByRole('region', { name: 'The cell looked at' });
  await card.getByRole('heading', { name: 'After layer 1, at The' }).waitFor();
  const told = await card.locator('table').first().locator('tbody tr').evaluateAll((all) => all.map((tr) => [tr.querySelector('th').textContent, tr.querySelector('.amount').textContent]));
  assert.deepEqual(told, point.top.map((t) => [shown(t), percent(t.probability)]));
  await card.getByText(`distance (KL) from the last layer ${Number(point.kl.toPrecision(3))} nat`).waitFor();
  await page.keyboard.press('End');
  await page.keyboard.press('PageDown');
  assert.equal(await focused(page), '8-5');
  for (const key of ['ArrowDown', 'ArrowRight']) await page.keyboard.press(key); // there is no more
  assert.equal(await focused(page), '8-5');
  await card.getByText('distance (KL) from the last layer 0 nat').waitFor();
  assert.match(await table.locator('[data-cell="8-5"]').getAttribute('aria-label'), new RegExp(`^${want.rows[5].points[8].top[0].text.trim()}, `));
  return page;
});

test('lens: tokens that are watched, what the colours show, and a link that holds it', async () => {
  const page = await open({ allow: ['400'] }, `#/lens?prompt=${encodeURIComponent(PROMPT)}`);
  await said(page, /^Done/);
  const card = page.getByRole('region', { name: 'The cell looked at' });
  const plain = await asJson('v1/tempo/lens', { prompt: PROMPT });
  const most = plain.rows.flatMap((r, c) => r.points.map((p, at) => ({ kl: p.kl, at: `${at}-${c}` }))).sort((a, b) => b.kl - a.kl)[0];
  const before = await colours(page);
  await page.getByRole('button', { name: 'distance' }).click();
  await page.waitForFunction((b) => [...document.querySelectorAll('table[role="grid"] td')].map((td) => td.style.backgroundColor).join() !== b, before);
  assert.equal(await page.locator(`[data-cell="${most.at}"]`).evaluate((e) => e.style.backgroundColor), 'rgb(12, 31, 85)', 'the largest distance is the end of the scale');
  const by = card.getByLabel('Watch another token');
  await by.fill('no such token of the model');
  await by.press('Enter');
  await card.getByRole('alert').getByText('is no token of the model').waitFor();
  await by.fill(' the');
  await by.press('Enter');
  await said(page, /^Watched: the$/);
  await page.locator('[data-cell="4-3"]').hover();
  const first = (await asJson('v1/tempo/lens', { prompt: PROMPT, top: 1, rows: [3] })).rows[0].points[4].top[0];
  await card.locator('table').first().getByRole('button', { name: 'Watch ' }).first().click();
  await said(page, new RegExp(`^Watched: the, ${first.text.trim()}$`));
  const want = await asJson('v1/tempo/lens', { prompt: PROMPT, tokens: [' the', first.id] });
  const rows = await card.locator('table').last().locator('tbody tr').evaluateAll((all) => all.map((tr) => [...tr.children].map((x) => x.textContent)));
  assert.deepEqual(rows.map((r) => r.slice(0, 3)), want.rows[3].points[4].tokens.map((t, i) => [shown(want.tokens[i]), percent(t.probability), t.rank.toLocaleString('en')]));
  await page.getByRole('group', { name: 'What the colours show' }).getByRole('button', { name: '·the' }).click();
  const other = await open({}, page.url().slice(base.length));
  await said(other, /^Done/);
  assert.equal(await other.getByRole('button', { name: '·the', exact: true }).getAttribute('aria-pressed'), 'true');
  assert.equal(await colours(other), await colours(page));
  await other.context().close();
  return page;
});

test('lens: of a long prompt the last positions, and the others on demand', async () => {
  const prompt = 'one two three four five six seven '.repeat(20);
  const page = await open({}, `#/lens?prompt=${encodeURIComponent(prompt)}`);
  await said(page, /^Done/);
  const { count } = await asJson('tokenize', { text: prompt });
  assert.ok(count > 128);
  await page.getByText(`Positions ${count - 64} to ${count - 1} of ${count}.`).waitFor();
  assert.equal(await page.locator('table[role="grid"] thead th').count(), 65);
  await page.getByRole('button', { name: '← Earlier' }).click();
  await page.getByText(`Positions ${count - 128} to ${count - 65} of ${count}.`).waitFor();
  await page.locator('[data-cell="0-0"]').focus();
  await page.keyboard.press('End');
  assert.equal(await focused(page), '0-63');
  await fits(page, 'a long prompt');
  return page;
});

test('lens: axe and widths, in light and dark', () => pictures(`#/lens?prompt=${encodeURIComponent(PROMPT)}&watch=${encodeURIComponent('[" the"]')}`, 'lens', (page) => said(page, /^Done/)));

const GRID = '#/patch?clean=The+cat+sat+on+the&corrupt=The+dog+sat+on+the&metric=logit_diff&direction=denoise&each=position&taps=resid_pre+mlp_out&answers=%5B%22+floor%22%2C%22+bed%22%5D';

test('patching: the grid fills with what the server computes, each tap a table, and what is looked at is said', async () => {
  const page = await open({}, GRID);
  await said(page, /^Done: 96 cells/);
  const values = await cells(page);
  assert.equal(values.length, 8, 'a row for each layer');
  // before the first layer only the word that differs matters, and it brings back everything
  assert.deepEqual(values[0].map((v) => Math.abs(Number(v)).toFixed(2)), ['0.00', '0.00', '1.00', '0.00', '0.00', '0.00']);
  await page.getByRole('button', { name: 'mlp_out' }).click();
  assert.notDeepEqual(await cells(page), values);
  await page.getByRole('button', { name: 'resid_pre' }).click();
  assert.deepEqual(await cells(page), values);
  await page.locator('td[tabindex="0"]').focus();
  for (const key of ['ArrowRight', 'ArrowRight']) await page.keyboard.press(key);
  await page.locator('.looked', { hasText: '1.00 of the way' }).waitFor();
  return page;
});

test('patching: cells and CSV are the server’s numbers', async () => {
  const page = await open({ permissions: ['clipboard-read', 'clipboard-write'] }, GRID);
  await said(page, /^Done: 96 cells/);
  const want = await asJson('v1/tempo/patch', { clean: 'The cat sat on the', corrupt: 'The dog sat on the', answers: [' floor', ' bed'], each: 'position', taps: ['resid_pre', 'mlp_out'], stream: false });
  const { clean, corrupt } = want.runs;
  const share = (v) => (v - corrupt) / (clean - corrupt);
  const value = new Map(want.cells.map(([grid, place, v]) => [`${grid}/${place}`, v]));
  const six = (grid, r) => Array.from({ length: 6 }, (_, c) => value.get(`${grid}/${r * 6 + c}`));
  for (const [grid, tap] of ['resid_pre', 'mlp_out'].entries()) {
    await page.getByRole('button', { name: tap }).click();
    assert.deepEqual(await cells(page), Array.from({ length: 8 }, (_, r) => six(grid, r).map((v) => share(v).toFixed(2))));
  }
  await page.getByRole('button', { name: 'Copy as CSV' }).click();
  await said(page, 'Copied: CSV');
  const lines = (await page.evaluate(() => navigator.clipboard.readText())).trimEnd().split(/\r?\n/);
  assert.equal(lines[0], 'tap,direction,layer,head,position,clean_token,corrupt_token,value,normalised');
  assert.equal(lines.length, 97);
  const of = (line) => line.split(',');
  assert.deepEqual(of(lines[1 + 48 + 3 * 6 + 2]), ['mlp_out', 'denoise', '3', '', '2', ' cat', ' dog', String(six(1, 3)[2]), String(share(six(1, 3)[2]))]);
  return page;
});

test('patching: a long grid can be stopped, and what is there stays', async () => {
  const words = (first) => `${first} ${'one two three four five six seven '.repeat(24)}`.trim();
  const page = await open({}, `#/patch?${new URLSearchParams({ clean: words('cat'), corrupt: words('dog'), metric: 'kl_clean', direction: 'both', each: 'position', taps: 'resid_pre attn_out mlp_out z', answers: '[]' })}`);
  await page.waitForFunction(() => [...document.querySelectorAll('table[role="grid"] td')].some((td) => td.textContent.trim() !== ''));
  await page.getByRole('button', { name: '■ Stop' }).click();
  await said(page, /^Stopped: [\d,]+ cells are there/);
  const [there, all] = (await page.locator('.progress').textContent()).match(/[\d,]+/g).map((n) => Number(n.replaceAll(',', '')));
  assert.ok(there > 0 && there < all, `${there} of ${all}`);
  assert.ok((await cells(page)).flat().some((v) => v !== ''), 'the cells have gone');
  assert.ok(await page.getByRole('button', { name: '■ Stop' }).isDisabled());
  const end = Date.now() + WAIT_MS; // the server's work ends, too
  const running = async () => /^tempo_jobs_running (\d+)/m.exec(await (await fetch(`${base}metrics`)).text())[1];
  while ((await running()) !== '0') assert.ok(Date.now() < end, 'the server goes on');
  return page;
});

test('patching: prompts of two lengths are refused with what they are in tokens, and nothing is lost', async () => {
  const page = await open({ allow: ['400'] }, GRID);
  await said(page, /^Done: 96 cells/);
  await page.getByLabel('Corrupt prompt').fill('The dog sat');
  await page.getByRole('button', { name: 'Fill the grid' }).click();
  await said(page, /^It failed: /);
  await page.getByLabel('Corrupt prompt').fill('The dog sat on the');
  await page.getByRole('button', { name: 'Fill the grid' }).click();
  await said(page, /^Done: 96 cells/);
  return page;
});

test('patching: axe and widths, in light and dark', () => pictures(GRID, 'patch', (page) => said(page, /^Done/)));

const card = (page) => page.getByRole('region', { name: 'The chosen row in numbers' });

/** A recording whose step `step` reads a set of two members or more, in visible mode. */
async function record() {
  const request = { prompt: 'The cat sat on the', arms: ['isolated', 'visible'], steps: 8, threshold: 0.05, record: ['attention'], stream: false };
  const doc = await asJson('v1/tempo/generate', request);
  const sets = doc.sets.filter((s) => s.arm === 'visible');
  const step = sets.findIndex((s) => s.members.length > 1) + 1;
  assert.ok(step > 0 && step < sets.length, 'the prompt gives no set of two');
  const { tokens, steps } = await asJson(`v1/tempo/generations/${doc.start.id}/attention/steps?arm=visible`);
  return { doc, sets, step, request, tokens, row: steps.find((s) => s.step === step).query_slots[0], hash: `#/attention?gen=${doc.start.id}&arm=visible&step=${step}&layer=2&head=1` };
}

/** What the server says of that step with those edits. */
async function next(r, edits) {
  const doc = await asJson('v1/tempo/generate', {
    prompt: r.request.prompt, stream: false, steps: 1, threshold: 1e-12, max_set: 20, stop: 'never',
    given: r.sets.slice(0, r.step).map((s) => s.members.map(({ id, probability }) => ({ id, probability }))),
    arms: ['visible', { name: 'with', arm: 'visible', edits }],
  });
  const last = (arm) => doc.sets.filter((s) => s.arm === arm).at(-1).members;
  return { before: last('visible'), after: last('with'), kl: doc.compare.at(-1).kl[1] };
}

const distribution = (page) => card(page).locator('table').last().locator('tbody tr').evaluateAll((all) => all.map((tr) => [...tr.children].slice(0, 3).map((x) => x.textContent)));
async function showsNext(page, r, edits) {
  const want = await next(r, edits);
  const short = (x) => (x === 0 ? '0' : Math.abs(x) >= 1e-4 ? String(Number(x.toPrecision(3))) : x.toExponential(2));
  await card(page).getByText(`KL ${short(want.kl)} nat`).waitFor();
  const p = (list, id) => list.find((m) => m.id === id)?.probability ?? NaN;
  const ids = [...new Set([...want.before, ...want.after].map((m) => m.id))].sort((x, y) => Math.max(p(want.before, y) || 0, p(want.after, y) || 0) - Math.max(p(want.before, x) || 0, p(want.after, x) || 0)).slice(0, 10);
  const told = (x) => (Number.isNaN(x) ? '–' : percent(x));
  const of = (id) => [...want.before, ...want.after].find((m) => m.id === id);
  assert.deepEqual(await distribution(page), ids.map((id) => [shown(of(id)), told(p(want.before, id)), told(p(want.after, id))]));
  return want;
}

test('attention: a head that is cut changes the next distribution as the server says; cuts add up and are undone', async () => {
  const r = await record();
  const page = await open({ permissions: ['clipboard-read', 'clipboard-write'] }, r.hash);
  await card(page).getByRole('button', { name: '✂ Cut the head' }).click();
  const set = r.tokens[r.row].set;
  const head = `cut set:${set} -> all layers=2 heads=1`;
  await showsNext(page, r, [head]);
  // with the keyboard: another head, in the overview
  await page.getByRole('grid', { name: /^attention on siblings/ }).locator('[data-cell="2-1"]').focus();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('x');
  await said(page, /^Cut: the rows of this step see nothing in head 1 of layer 3/);
  const both = [head, `cut set:${set} -> all layers=3 heads=1`];
  const want = await showsNext(page, r, both);
  assert.ok(want.kl > 0);
  await card(page).getByRole('button', { name: 'Copy as --edit' }).click();
  await said(page, /^Copied/);
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), both.map((e) => `--edit '${e}'`).join(' '));
  await card(page).getByRole('button', { name: 'Undo', exact: true }).click();
  await showsNext(page, r, [head]);
  await accessible(page, 'cuts');
  await card(page).getByRole('button', { name: 'Undo all' }).click();
  await card(page).getByText(/^KL/).waitFor({ state: 'detached' });
  return page;
});

test('attention: an edge that is cut, by a click on the map and with the keyboard', async () => {
  const r = await record();
  const page = await open({}, r.hash);
  const map = page.locator('.map [tabindex="0"]').first();
  await page.getByRole('button', { name: '✂ click cuts' }).click();
  const canvas = page.locator('.map canvas').first();
  await canvas.click({ position: { x: 240, y: 108 } });
  await card(page).locator('ol code').first().waitFor();
  const edit = await card(page).locator('ol code').textContent();
  assert.match(edit, new RegExp(`^cut set:${r.tokens[r.row].set}&member:\\d -> set:\\d+(&member:\\d)? layers=2 heads=1$`));
  await showsNext(page, r, [edit]);
  await map.focus();
  await page.keyboard.press('Home');
  await page.keyboard.press('x');
  const second = await card(page).locator('ol code').last().textContent();
  assert.match(second, / -> set:0 layers=2 heads=1$/);
  await showsNext(page, r, [edit, second]);
  await page.keyboard.press('x'); // it is cut already
  await said(page, /^It is cut already/);
  assert.equal(await card(page).locator('ol li').count(), 2);
  for (const width of [360, 2560]) {
    await page.setViewportSize({ width, height: 900 });
    await fits(page, `cuts, ${width} px`);
  }
  return page;
});

await finish();
