// The page in a real Chromium, as a person uses it.  Usage: node e2e.mjs PROGRAM
// PROGRAM is a tempo that can `serve`; instead of it, an address of a server that runs already. Environment: CHROMIUM, the
// browser's path; TEMPO_SHOTS, a directory for pictures of the page at three widths; ONLY, a part of the names of the tests
// to run.  Exit 0: all passed.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const data = mkdtempSync(join(tmpdir(), 'tempo-page-'));
process.on('exit', () => rmSync(data, { recursive: true, force: true }));
process.env.XDG_DATA_HOME = data; // not the runs of whoever tests

const { accessible, api, asJson, base, finish, fits, open, shots, test } = await import('./harness.mjs');

const play = (page) => page.locator('main section[aria-label="Sets"]');
const members = (page) => page.locator('main [data-at]:visible');
const at = (page, arm, step, row) => page.locator(`[data-at="${arm},${step},${row}"]:visible`);
const status = (page) => page.locator('[role="status"]');
const finished = (page) => status(page).filter({ hasText: /^Done/ }).waitFor({ state: 'attached' });

async function run(page, prompt, options = {}) {
  await page.getByLabel('Prompt', { exact: true }).fill(prompt);
  for (const [label, value] of Object.entries(options)) await page.getByRole('textbox', { name: label, exact: true }).fill(String(value));
  await page.getByRole('button', { name: '▶ Run', exact: true }).click();
  await finished(page);
}

/** The members that stand on the page, step by step: [["·the", "11%"], ..]; only of lines that exist. */
const columns = (page, arm = 0) =>
  page.evaluate((a) => {
    const steps = {};
    for (const m of document.querySelectorAll('[data-at]')) {
      const [arm_, step, row] = m.dataset.at.split(',').map(Number);
      if (arm_ === a) (steps[step] ??= [])[row] = [m.querySelector('.t').textContent, m.querySelector('.n').textContent];
    }
    return steps;
  }, arm);

const shown = (m) => m.text.replaceAll(' ', '·').replaceAll('\n', '↵');
const rounded = (p) => (100 * p >= 9.95 ? `${(100 * p).toFixed(0)}%` : 100 * p >= 0.995 ? `${(100 * p).toFixed(1)}%` : null);

function sameAsApi(steps, sets) {
  for (const s of sets) {
    const there = steps[s.step];
    assert.ok(there, `set ${s.step} is not on the page`);
    assert.deepEqual(there.map((m) => m[0]), s.members.slice(0, there.length).map(shown), `set ${s.step}`);
    s.members.slice(0, there.length).forEach((m, i) => rounded(m.probability) && assert.equal(there[i][1], rounded(m.probability)));
  }
}

const PROMPT = 'The moon is made of';
const OPTIONS = { Threshold: 0.06, Steps: 14 };
const REQUEST = { prompt: PROMPT, threshold: 0.06, steps: 14, stream: false };

test('opens, explains itself, and shows how many tokens the threshold selects', async () => {
  const page = await open();
  await page.getByText('See a language model decide.').waitFor();
  const bytes = await page.evaluate(() => performance.getEntries().filter((e) => 'encodedBodySize' in e && !e.name.includes('/v1/')).reduce((n, e) => n + e.encodedBodySize, 0));
  assert.ok(bytes > 1000 && bytes < 100 * 1024, `the first paint takes ${bytes} bytes`);
  const next = await asJson('v1/tempo/next', { prompt: PROMPT, top: 1000 });
  const n = Math.max(1, next.tokens.filter((t) => t.probability >= 0.08).length);
  await page.getByText(new RegExp(`First set:\\s+${n} tokens?`)).waitFor();
  const slider = page.getByRole('slider', { name: /^Threshold/ });
  await slider.focus();
  for (let i = 0; i < 8; i++) await page.keyboard.press('ArrowLeft');
  const now = Number(await slider.getAttribute('aria-valuenow'));
  assert.ok(now < 0.06, `the arrow keys moved the threshold to ${now}`);
  assert.equal(await page.getByRole('textbox', { name: 'Threshold', exact: true }).inputValue(), String(now));
  const m = Math.max(1, next.tokens.filter((t) => t.probability >= now).length);
  await page.getByText(new RegExp(`First set:\\s+${m} tokens?`)).waitFor();
  await page.getByRole('button', { name: 'About' }).click();
  await page.getByRole('dialog').getByText('greedy decoding').waitFor();
  await accessible(page, 'About');
  await page.keyboard.press('Escape');
  assert.equal(await page.getByRole('dialog').count(), 0);
  return page;
});

test('sets stream in and are those of the program', async () => {
  const page = await open();
  await run(page, PROMPT, OPTIONS);
  const want = await asJson('v1/tempo/generate', REQUEST);
  sameAsApi(await columns(page), want.sets);
  assert.equal(Object.keys(await columns(page)).length, want.sets.length);
  const sentence = await play(page).locator('.sentence').textContent();
  assert.equal(sentence, PROMPT + want.sets.map((s) => s.members[0].text).join(''));
  assert.equal(page.generated(), 1);
  return page;
});

test('a member that is pointed at shows its numbers and what it attends to', async () => {
  const page = await open();
  await run(page, PROMPT, { ...OPTIONS });
  const doc = await asJson('v1/tempo/generate', { ...REQUEST, record: ['attention'] });
  const step = doc.sets.findIndex((s, t) => t > 2 && s.members.length > 1);
  assert.ok(step > 0, 'the prompt gives no set of two');
  const set = doc.sets[step];
  const m = set.members[1];
  await at(page, 0, step, 1).hover();
  const card = page.getByRole('region', { name: 'The member looked at' });
  await card.getByText(String(m.id), { exact: true }).waitFor();
  await card.locator('ol li').first().waitFor();
  const r = await api(`v1/tempo/generations/${doc.start.id}/attention?arm=isolated&step=${step + 1}&layer=mean&head=mean`);
  const [rows, slots] = r.headers.get('X-Tempo-Shape').split(',').map(Number);
  const query = r.headers.get('X-Tempo-Query-Slots').split(',').map(Number);
  assert.equal(rows, set.members.length);
  const w = new Float32Array(await r.arrayBuffer()).slice(query.indexOf(m.slot) * slots, (query.indexOf(m.slot) + 1) * slots);
  const order = [...w.keys()].filter((s) => s !== m.slot && w[s] > 0).sort((a, b) => w[b] - w[a] || a - b);
  const texts = await card.locator('ol li').allTextContents();
  const name = (slot) => shown(slot < doc.start.prompt_tokens.length ? doc.start.prompt_tokens[slot] : doc.sets.flatMap((s) => s.members).find((x) => x.slot === slot));
  assert.ok(texts[0].startsWith(name(order[0])) && texts[1].startsWith(name(order[1])), `${texts.slice(0, 2)} are not ${name(order[0])}, ${name(order[1])}`);
  assert.ok((await page.locator('svg.arcs path').count()) >= 3);
  await card.getByText(/siblings 0%/).waitFor(); // isolated: exactly nothing
  const before = await page.locator('svg.arcs path').evaluateAll((p) => p.map((x) => x.getAttribute('stroke-width')).join());
  await card.getByLabel('layer').selectOption('0');
  await page.waitForFunction((b) => [...document.querySelectorAll('svg.arcs path')].map((x) => x.getAttribute('stroke-width')).join() !== b, before);
  return page;
});

test('a click branches: the path is given, the tree leads back, the link holds it all', async () => {
  const page = await open();
  await run(page, PROMPT, OPTIONS);
  const root = await asJson('v1/tempo/generate', REQUEST);
  const step = root.sets.findIndex((s, t) => t > 1 && s.members.length > 1);
  await at(page, 0, step, 1).click();
  await finished(page);
  const given = [...root.sets.slice(0, step).map((s) => s.members.map(({ id, probability }) => ({ id, probability }))), [{ id: root.sets[step].members[1].id, probability: root.sets[step].members[1].probability }]];
  const want = await asJson('v1/tempo/generate', { ...REQUEST, given });
  await page.waitForFunction((n) => document.querySelector(`[data-at^="0,${n},"]`), want.sets.length - 1);
  sameAsApi(await columns(page), want.sets);
  assert.equal(await page.locator('.head .given').count(), step + 1);
  // the member that was taken has the model's probability, not all of it; a second choice makes a path of two
  const p = root.sets[step].members[1].probability;
  assert.equal((await columns(page))[step][0][1], rounded(p));
  await page.getByRole('group', { name: `Set ${step + 1}`, exact: true }).getByText('chosen').waitFor();
  const tree = page.getByRole('navigation', { name: 'Runs and branches' });
  assert.equal(await tree.getByRole('button').count(), 2);
  const link = page.url();

  await tree.getByRole('button').first().click();
  await page.waitForFunction(() => document.querySelectorAll('.head .given').length === 0);
  sameAsApi(await columns(page), root.sets);
  await page.goBack();
  await page.waitForFunction((n) => document.querySelectorAll('.head .given').length === n, step + 1);
  assert.equal(page.generated(), 2, 'going back asks for nothing');

  const other = await open({}, link.slice(base.length));
  await finished(other);
  sameAsApi(await columns(other), want.sets);
  await other.context().close();
  return page;
});

test('a path of branches: the probabilities of its choices, and of all of them together', async () => {
  const page = await open();
  await run(page, PROMPT, OPTIONS);
  const taken = [];
  for (let n = 0, from = 1; n < 2; n++) {
    const steps = await columns(page);
    const step = Number(Object.keys(steps).find((s) => Number(s) >= from && steps[s].length > 1));
    const request = new URLSearchParams(new URL(page.url()).hash.split('?')[1]);
    const given = (request.get('given') ?? '').split(';').filter(Boolean).map((s) => s.split(',').map((m) => ({ id: Number(m.split(':')[0]), probability: Number(m.split(':')[1]) })));
    const doc = await asJson('v1/tempo/generate', { ...REQUEST, ...(given.length ? { given } : {}) });
    taken.push(doc.sets[step].members[1].probability);
    await at(page, 0, step, 1).click();
    await page.getByRole('group', { name: `Set ${step + 1}`, exact: true }).getByText('chosen').waitFor();
    await finished(page);
    from = step + 1;
  }
  const percent = (x) => rounded(x) ?? `${(100 * x).toPrecision(2)}%`;
  const words = `This path of 2 choices has a probability of ${percent(taken[0] * taken[1])}`;
  await play(page).getByText(words).waitFor();
  const tree = page.getByRole('navigation', { name: 'Runs and branches' });
  await tree.getByText(`${percent(taken[1])}, path ${percent(taken[0] * taken[1])}`).waitFor();
  const other = await open({}, page.url().slice(base.length)); // the link holds the choices
  await finished(other);
  await play(other).getByText(words).waitFor();
  await other.context().close();
  return page;
});

test('line ends of a text are drawn, and push nothing away; what scrolls is a tab stop', async () => {
  const { tokens: [end] } = await asJson('tokenize', { text: '\n', no_bos: true });
  const given = Array(60).fill(`${end}:0.5`).join(';');
  const hash = (steps) => `#/play?prompt=${encodeURIComponent('one\n\n\ntwo')}&threshold=0.08&steps=${steps}&given=${given}`;
  for (const [width, height] of [[360, 780], [1280, 900]]) {
    const page = await open({ viewport: { width, height } }, hash(3));
    await finished(page);
    const text = page.locator('.passage');
    assert.ok((await text.locator('i').count()) >= 63); // a sign for each
    const lines = await text.innerText().then((t) => t.split('\n').length);
    assert.ok(lines >= 3 && lines <= 5, `${lines} lines`); // one for each run of them
    const [above, sets] = [await text.boundingBox(), await page.locator('.sets').boundingBox()];
    assert.ok(above.height < 260 && sets.y - above.y < 420, `the sets begin ${sets.y - above.y} px below the text`);
    assert.equal(await text.getAttribute('tabindex'), null); // it fits
    // many words do not: whatever their number of tokens, it is what is cut off that counts
    await page.getByLabel('Prompt', { exact: true }).fill('word '.repeat(300));
    await page.getByRole('button', { name: 'Start from the prompt instead' }).click();
    await page.getByRole('button', { name: '▶ Run', exact: true }).click();
    await page.waitForFunction(() => document.querySelector('.passage')?.getAttribute('tabindex') === '0');
    assert.equal(await text.getAttribute('aria-label'), 'The text');
    await finished(page);
    await text.focus();
    await page.keyboard.press('End');
    await page.waitForFunction(() => document.querySelector('.passage').scrollTop > 0);
    await accessible(page, `a long text, ${width} px`);
    await page.context().close();
  }
});

/** What WCAG 1.4.12 lets a reader ask for. */
const spaced = (page) =>
  page.evaluate(() => {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync('* { line-height: 1.5 !important; letter-spacing: 0.12em !important; word-spacing: 0.16em !important } p { margin-bottom: 2em !important }');
    document.adoptedStyleSheets = [sheet];
  });

test('a reader’s own spacing of text cuts no token', async () => {
  for (const [width, height] of [[360, 3000], [1280, 3000]])
    for (const hash of ['#/play', '#/compare']) {
      const page = await open({ viewport: { width, height } }, hash);
      await page.getByText(/First set:/).waitFor({ state: 'attached' });
      await run(page, PROMPT);
      const cut = () =>
        page.evaluate(() =>
          [...document.querySelectorAll('.sets .t, .sets .n, .sets .prompt, .sets .mark, .sets .head, .inspector *, .passage *, .tree .label')]
            .filter((e) => e.clientWidth > 0 && getComputedStyle(e).overflow !== 'visible' && (e.scrollWidth > e.clientWidth + 1 || e.scrollHeight > e.clientHeight + 6))
            .map((e) => `${e.className}: ${e.textContent}`),
        );
      assert.deepEqual(await cut(), []);
      const narrow = await at(page, 0, 0, 0).boundingBox();
      await spaced(page);
      await page.waitForFunction((w) => document.querySelector('[data-at="0,0,0"]').getBoundingClientRect().width > w, narrow.width);
      assert.deepEqual(await cut(), [], `${hash}, ${width} px`);
      await at(page, 0, 1, 0).hover();
      await page.locator('.inspector dl').waitFor();
      const [card, inner] = await page.locator('.inspector').evaluate((e) => [e.clientWidth, e.scrollWidth]);
      assert.ok(inner <= card, `${hash}, ${width} px: what is looked at is ${inner} px wide in ${card}`);
      await fits(page, `${hash}, ${width} px, spaced`);
      await page.context().close();
    }
});

test('what is wrong is said at the field, before and after the server is asked', async () => {
  const page = await open({ allow: ['400'] });
  const threshold = page.getByRole('textbox', { name: 'Threshold', exact: true });
  await threshold.fill('1.5');
  assert.equal(await threshold.getAttribute('aria-invalid'), 'true');
  await page.getByText('must be at most 1').waitFor();
  await page.getByText('The mark stays at 0.08').waitFor();
  const big = page.getByRole('button', { name: 'Run the prompt' });
  assert.ok(await big.isDisabled(), 'a wrong field can be run');
  await threshold.fill('0.5');
  assert.ok(await big.isEnabled());
  await page.getByLabel('Prompt', { exact: true }).fill('');
  assert.ok(await big.isDisabled(), 'no prompt can be run');
  await page.getByLabel('Prompt', { exact: true }).fill(PROMPT);
  await threshold.fill('1.5');
  await page.getByRole('button', { name: '▶ Run', exact: true }).click();
  await page.waitForFunction(() => document.activeElement?.id === 'option-threshold');
  assert.equal(page.generated(), 0);
  await accessible(page, 'a wrong field');
  await threshold.fill('0.5');
  await page.getByText('More options').click();
  await page.getByRole('textbox', { name: 'Visible layers' }).fill('0-99');
  await page.getByLabel('Mode', { exact: true }).selectOption('visible');
  await page.getByRole('button', { name: '▶ Run', exact: true }).click();
  await page.getByRole('alert').waitFor();
  assert.equal(await page.getByRole('textbox', { name: 'Visible layers' }).getAttribute('aria-invalid'), 'true');
  await page.getByRole('textbox', { name: 'Visible layers' }).fill('0-1');
  assert.equal(await page.getByRole('textbox', { name: 'Visible layers' }).getAttribute('aria-invalid'), null);
  return page;
});

test('a run can be stopped', async () => {
  const page = await open();
  await page.getByLabel('Prompt', { exact: true }).fill(PROMPT);
  await page.getByRole('textbox', { name: 'Threshold', exact: true }).fill('0.03');
  await page.getByRole('textbox', { name: 'Steps', exact: true }).fill('400');
  await page.getByText('More options').click();
  await page.getByLabel('Stop', { exact: true }).selectOption('never');
  await page.getByRole('button', { name: '▶ Run', exact: true }).click();
  await members(page).first().waitFor();
  await page.getByRole('button', { name: '■ Stop' }).click();
  await status(page).filter({ hasText: /^Stopped/ }).waitFor({ state: 'attached' });
  const n = Number(/Stopped: (\d+)/.exec(await status(page).textContent())[1]);
  assert.ok(n > 0 && n < 400, `stopped after ${n} sets`);
  // What was recorded until then can be looked at; the last set was not read any more.
  await at(page, 0, 0, 0).hover();
  await page.locator('.inspector ol li').first().waitFor();
  await page.keyboard.press('Tab');
  await at(page, 0, 0, 0).focus();
  await page.keyboard.press('End');
  await page.getByText('No step has read this set.').waitFor();
  return page;
});

test('copies as text, Markdown and JSON', async () => {
  const page = await open({ permissions: ['clipboard-read', 'clipboard-write'] });
  await run(page, PROMPT, OPTIONS);
  const want = await asJson('v1/tempo/generate', REQUEST);
  const copied = async (name) => {
    await page.getByRole('button', { name, exact: true }).click();
    await status(page).filter({ hasText: `Copied: ${name}` }).waitFor({ state: 'attached' });
    return page.evaluate(() => navigator.clipboard.readText());
  };
  const text = want.sets.map((s) => (s.members.length === 1 ? s.members[0].text : `[${s.members.map((m) => m.text).join('/')}]`)).join('');
  assert.equal(await copied('Text'), PROMPT + text);
  assert.match(await copied('Markdown'), /\| set \| members \| entropy \|\n\|---:\|---\|---:\|\n\| 1 \|/);
  const doc = JSON.parse(await copied('JSON'));
  assert.deepEqual(doc.sets.map((s) => s.members), want.sets.map((s) => s.members));
  return page;
});

test('modes side by side: differences are those of the server, the first one is marked', async () => {
  const page = await open({ viewport: { width: 1280, height: 3000 } }, '#/compare');
  await page.getByRole('checkbox', { name: 'published', exact: true }).check();
  await run(page, PROMPT, OPTIONS);
  const want = await asJson('v1/tempo/generate', { ...REQUEST, arms: ['isolated', 'visible', 'published'] });
  for (const [i, arm] of ['isolated', 'visible', 'published'].entries()) sameAsApi(await columns(page, i), want.sets.filter((s) => s.arm === arm));
  const marked = await page.locator('.member.only').count();
  assert.equal(marked, want.compare.reduce((n, c) => n + Object.values(c.only).reduce((k, ids) => k + ids.length, 0), 0));
  const ids = (arm, step) => want.sets.find((s) => s.arm === arm && s.step === step)?.members.map((m) => m.id).sort().join();
  const parts = (arm) => want.compare.map((c) => c.step).find((t) => ids(arm, t) !== ids('isolated', t));
  assert.ok(parts('visible') > 0 && parts('published') < parts('visible'), 'the prompt gives no differences at different sets');
  assert.equal(await page.locator('.head .flag').count(), 1);
  await page.getByRole('group', { name: `Set ${parts('visible') + 1}`, exact: true }).locator('.flag').waitFor(); // the replay's is not the run's
  await page.locator('.verdict').getByText(`visible parts at set ${parts('visible') + 1}:`).waitFor();
  await page.locator('.verdict').getByText(`published (replay) parts at set ${parts('published') + 1}:`).waitFor();
  assert.equal(await page.locator('figure path').count(), 2);
  const chart = page.getByRole('slider', { name: /^Divergence/ });
  await chart.focus();
  await page.keyboard.press('End');
  await page.keyboard.press('Enter');
  await page.waitForFunction((n) => document.activeElement?.dataset.at === `0,${n},0`, want.compare.at(-1).step);
  await accessible(page, 'Compare, light');
  await page.emulateMedia({ colorScheme: 'dark' });
  await accessible(page, 'Compare, dark');
  // Another view can be visited in between.
  await page.getByRole('link', { name: 'Attention', exact: true }).click();
  await page.waitForFunction(() => document.title.endsWith('Attention'));
  await page.getByRole('link', { name: 'Compare', exact: true }).click();
  await page.locator('.verdict').getByText(`visible parts at set ${parts('visible') + 1}:`).waitFor();
  sameAsApi(await columns(page, 1), want.sets.filter((s) => s.arm === 'visible'));
  assert.equal(page.generated(), 1, 'coming back asks for nothing');
  return page;
});

test('presets: one with replays opens beside each other, and attention stays kept', async () => {
  const page = await open();
  await page.getByRole('button', { name: /What the published code computed/ }).click();
  await finished(page);
  await page.locator('.verdict').getByText(/published \(replay\) parts at set 1:/).waitFor();
  assert.ok(await page.getByLabel('Keep attention').isChecked());
  return page;
});

test('presets of the form run too; the published experiments are a group', async () => {
  const page = await open();
  const select = page.getByLabel('Preset', { exact: true });
  await select.locator('optgroup').last().waitFor({ state: 'attached' }); // they come from the server
  assert.deepEqual(await select.locator('optgroup').evaluateAll((all) => all.map((g) => g.label)), ['Questions', 'The published experiments']);
  assert.equal(await select.locator('optgroup').last().locator('option').count(), 5);
  await select.selectOption('uncertainty');
  await finished(page);
  assert.equal(page.generated(), 1);
  // Marks stand below their stacks, above what comes next.
  await page.getByText('More options').click();
  await run(page, PROMPT, { Threshold: 0.03, Steps: 14, 'Largest set': 2 });
  const marks = page.locator('.sets .marks');
  await marks.first().waitFor();
  const over = await page.evaluate(() =>
    [...document.querySelectorAll('.sets .line')].flatMap((line) => [...line.querySelectorAll('.marks')].filter((m) => m.getBoundingClientRect().bottom > line.getBoundingClientRect().bottom + 0.5)).length);
  assert.equal(over, 0, 'marks stand out of their lines');
  assert.equal(await page.locator('.mark').evaluateAll((all) => all.filter((m) => m.scrollWidth > m.clientWidth).length), 0, 'marks are cut off');
  return page;
});

test('what the server kept of a long run is said, in its words', async () => {
  const page = await open({ allow: ['404'] });
  const says = 'the attention of this step had to make room for that of others';
  await page.route('**/attention?*', (r) => r.fulfill({ status: 404, contentType: 'application/json', body: JSON.stringify({ error: { message: says, type: 'invalid_request_error', param: null, code: null } }) }));
  await page.route(/\/attention\/steps/, async (r) => {
    const whole = await (await r.fetch()).json();
    await r.fulfill({ json: { ...whole, steps: whole.steps.slice(0, 4) } });
  });
  await run(page, PROMPT, OPTIONS);
  await at(page, 0, 2, 0).hover();
  await page.locator('.inspector').getByText(/^The attention of this step had to make room for that of others\. 4 of 14 steps kept\.$/).waitFor();
  await page.getByRole('link', { name: 'Attention', exact: true }).click();
  await page.getByText('4 of 14 steps kept.').waitFor();
  return page;
});

test('the keyboard alone is enough', async () => {
  const page = await open();
  await page.getByText(/First set:/).waitFor();
  const tabTo = async (is, most = 60) => {
    for (let i = 0; i < most; i++) {
      await page.keyboard.press('Tab');
      if (await page.evaluate(is)) return;
    }
    assert.fail(`Tab does not lead to ${is}`);
  };
  await tabTo(() => document.activeElement?.id === 'prompt');
  await page.keyboard.press('Control+A');
  await page.keyboard.type('The cat sat on the');
  await page.keyboard.press('Enter');
  await finished(page);
  await tabTo(() => document.activeElement?.dataset.at !== undefined);
  const here = () => page.evaluate(() => document.activeElement?.dataset.at);
  assert.equal(await here(), '0,0,0');
  for (let i = 0; i < 3; i++) await page.keyboard.press('ArrowRight');
  assert.match(await here(), /^0,3,/);
  await page.keyboard.press('End');
  const last = Number((await here()).split(',')[1]);
  assert.equal(last, 23);
  await page.keyboard.press('PageUp');
  assert.ok(Number((await here()).split(',')[1]) < last);
  await page.keyboard.press('Home');
  const rows = await page.locator('[data-at^="0,0,"]').count();
  for (let i = 0; i < rows + 2; i++) await page.keyboard.press('ArrowDown');
  assert.equal(await here(), `0,0,${rows - 1}`, 'ArrowDown stays in the column');
  assert.equal(await page.evaluate(() => document.querySelectorAll('[data-at][tabindex="0"]').length), 1, 'one tab stop');
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.querySelectorAll('.head .given').length > 0);
  await finished(page);
  await page.waitForFunction(() => document.activeElement?.dataset.at === '0,1,0'); // the chosen member, in its branch
  await page.keyboard.press('Backspace');
  await page.waitForFunction(() => document.querySelectorAll('.head .given').length === 0);
  await page.waitForFunction(() => document.activeElement?.dataset.at === '0,1,0');
  return page;
});

test('200 sets of 30 members: only what is in sight exists', async () => {
  const page = await open();
  let slot = 5;
  const sets = Array.from({ length: 200 }, (_, step) => ({
    arm: 'isolated', step, position: 5 + step, threshold: 0.001, entropy: 3, reached: 30, capped: false, eos: false, given: false, stopped_by: step === 199 ? 'steps' : null,
    members: Array.from({ length: 30 }, (_, i) => ({ id: 100 + i, text: ` word${(step * 31 + i * 17) % 997}`, probability: 0.3 / (i + 1), slot: slot++, position: 5 + step })),
  }));
  const tokens = ['The', ' moon', ' is', ' made', ' of'].map((text, id) => ({ id, text }));
  const start = { id: 'gen-big', created: 0, model: 'mock', version: '0', prompt: PROMPT, prompt_ids: [0, 1, 2, 3, 4], prompt_tokens: tokens, config: {}, arms: ['isolated'], layers: 2, heads: 2, vocabulary: 1000, recording: false };
  const done = { id: 'gen-big', arms: [{ arm: 'isolated', steps: 200, text: '', top_text: '', stopped_by: 'steps' }], first_difference: null, timing: { queued_ms: 0, first_set_ms: 1, total_ms: 2 } };
  const body = [['start', start], ...sets.map((s) => ['set', s]), ['done', done]].map(([e, d]) => `event: ${e}\ndata: ${JSON.stringify(d)}\n\n`).join('');
  await page.route('**/v1/tempo/generate', (r) => r.fulfill({ contentType: 'text/event-stream', body }));
  await run(page, PROMPT);
  const nodes = () => page.evaluate(() => document.querySelectorAll('.sets *').length);
  const MOST = 3000;
  assert.ok((await nodes()) < MOST, `${await nodes()} elements at the top`);
  assert.ok((await members(page).count()) > 60, `${await members(page).count()} members at the top`);
  const height = await page.evaluate(() => document.querySelector('.sets').getBoundingClientRect().height);
  assert.ok(height > 5000, `all sets have their place: ${height} px`);
  // Walking to the end and scrolling back: the elements are exchanged, not collected; the one with the focus stays.
  await at(page, 0, 0, 0).focus();
  await page.keyboard.press('End');
  await page.waitForFunction(() => document.activeElement?.dataset.at === '0,199,0');
  await page.waitForFunction(() => !document.querySelector('[data-at="0,0,0"]'));
  assert.ok((await nodes()) < MOST, `${await nodes()} elements at the end`);
  await page.evaluate(() => scrollTo(0, 0));
  await page.waitForFunction(() => document.querySelector('[data-at="0,0,0"]'));
  assert.equal(await page.evaluate(() => document.activeElement?.dataset.at), '0,199,0');
  await page.evaluate(() => document.activeElement.blur());
  // Pointing at a member touches it and the one before, not the column or the page.
  await at(page, 0, 3, 2).hover();
  const touched = await page.evaluate(
    () =>
      new Promise((end) => {
        const seen = new Set();
        const o = new MutationObserver((all) => all.forEach((m) => seen.add(m.target)));
        o.observe(document.querySelector('.sets'), { subtree: true, attributes: true, childList: true });
        const m = document.querySelector('[data-at="0,3,3"]');
        m.dispatchEvent(new PointerEvent('pointerover', { bubbles: true, pointerType: 'mouse' }));
        setTimeout(() => (o.disconnect(), end(seen.size)), 300);
      }),
  );
  assert.ok(touched <= 8, `${touched} elements changed`);
  // A column opens on demand.
  await page.locator('[data-more="2"]').click();
  assert.equal(await page.locator('[data-at^="0,2,"]').count(), 30);
  return page;
});

test('nothing is wider than the window, and axe finds nothing serious, in light and dark', async () => {
  for (const [width, height] of [[360, 780], [1280, 900], [2560, 1400]])
    for (const colorScheme of ['light', 'dark']) {
      const page = await open({ viewport: { width, height }, colorScheme, hasTouch: width < 500 });
      const shot = (name) => (shots ? page.screenshot({ path: join(shots, `${name}-${width}-${colorScheme}.png`) }) : null);
      await page.getByRole('button', { name: 'Run the prompt' }).waitFor();
      await accessible(page, `empty, ${width} px, ${colorScheme}`);
      await fits(page, `empty, ${width} px`);
      await shot('empty');
      await page.getByRole('button', { name: 'Run the prompt' }).click();
      await finished(page);
      await at(page, 0, 4, 0).scrollIntoViewIfNeeded();
      if (width >= 500) await at(page, 0, 4, 0).hover();
      else await at(page, 0, 4, 0).tap();
      await page.locator('svg.arcs').waitFor({ state: 'attached' });
      await accessible(page, `sets, ${width} px, ${colorScheme}`);
      await fits(page, `sets, ${width} px`);
      await shot('sets');
      if (width < 500) {
        const [member, sheet] = [await at(page, 0, 4, 0).boundingBox(), await page.locator('.sheet').boundingBox()];
        assert.ok(member.y + member.height <= sheet.y, 'the member stays in sight above what is known of it');
        await at(page, 0, 4, 0).tap(); // the first tap looked, the second goes on from there
        await page.waitForFunction(() => document.querySelectorAll('.head .given').length > 0);
        await finished(page);
      }
      for (const view of ['Compare', 'Attention', 'Lens', 'Patching', 'Runs']) {
        await page.getByRole('link', { name: view, exact: true }).click();
        await page.waitForFunction((v) => document.title.endsWith(v), view);
        await page.locator('main h1:visible, main h1.hidden-text').first().waitFor({ state: 'attached' });
        await page.waitForLoadState('networkidle');
        await accessible(page, `${view}, ${width} px, ${colorScheme}`);
        await fits(page, `${view}, ${width} px`);
        await shot(view.toLowerCase());
      }
      await page.context().close();
    }
});

test('what the server refuses, and a server that wants a key or is not there', async () => {
  const page = await open({ allow: ['401', 'ERR_FAILED', '503'] });
  await page.getByText(/First set:/).waitFor();
  const says = (status, error) => (r) => r.fulfill({ status, contentType: 'application/json', body: JSON.stringify({ error: { type: 'x', param: null, code: null, ...error } }) });
  const go = () => page.getByRole('button', { name: '▶ Run', exact: true }).click();
  await page.route('**/v1/tempo/generate', says(503, { message: 'the queue is full' }));
  await go();
  await page.getByRole('alert').getByText('the queue is full').waitFor();
  await page.unroute('**/v1/tempo/generate');
  await page.route('**/v1/tempo/generate', (r) => r.abort());
  await go();
  await page.getByRole('alert').getByText('The server does not answer').waitFor();
  await page.unroute('**/v1/tempo/generate');
  await page.route('**/v1/tempo/generate', (r) => r.fulfill({ contentType: 'text/event-stream', body: 'event: error\ndata: {"error":{"message":"going down","type":"server_error","param":null,"code":"shutdown"}}\n\n' }));
  await go();
  await page.getByRole('alert').getByText('going down', { exact: true }).waitFor();
  await page.unroute('**/v1/tempo/generate');
  await page.route('**/v1/tempo/generate', (r) => (r.request().headers().authorization === 'Bearer secret' ? r.continue() : says(401, { message: 'a key is needed' })(r)));
  await go();
  await page.getByRole('dialog').getByLabel('Key').fill('secret');
  await page.getByRole('button', { name: 'Use it' }).click();
  await finished(page); // the page was loaded anew, and its address held the request
  return page;
});

test('colours follow the system until they are chosen, and the choice is kept', async () => {
  const page = await open({ colorScheme: 'dark' });
  const now = () => page.evaluate(() => document.documentElement.dataset.theme);
  assert.equal(await now(), 'dark');
  await page.getByRole('button', { name: /^Colours/ }).click();
  assert.equal(await now(), 'light');
  await page.reload();
  assert.equal(await now(), 'light');
  return page;
});

await finish();
