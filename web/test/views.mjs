// The pure parts of the attention and report views, without a browser: `npm test`.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { createServer } from 'vite';

const vite = await createServer({ configFile: false, root: new URL('..', import.meta.url).pathname, logLevel: 'error', server: { middlewareMode: true, hmr: false, ws: false }, appType: 'custom', optimizeDeps: { noDiscovery: true } });
after(() => vite.close());
const load = (name) => vite.ssrLoadModule(`/src/${name}`);

const view = await load('attention/viewport.ts');
const { rasterise, topKeys, columnMeans, largest } = await load('attention/raster.ts');
const { valueScale, ramp, niceTicks, inkOn } = await load('attention/colour.ts');
const { chooseSteps, siblingRuns } = await load('attention/data.ts');
const numbers = await load('report/numbers.ts');
const { quantile, box, swarm, spaceOut } = await load('report/spread.ts');
const { axis } = await load('report/scales.ts');
const words = await load('report/words.ts');
const { besideRows, printedSets, besideReading } = await load('report/beside.ts');
const { filtered, sorted } = await load('report/runs.ts');
const { asView } = await load('report/view.ts');

test('viewport: whatever is done, it stays inside the map, and zooming keeps the cell under the pointer', () => {
  const e = { columns: 4096, rows: 300, width: 900, height: 450 };
  let v = view.fit(e);
  assert.ok(v.cellWidth * e.columns <= e.width + 1e-6 && v.cellHeight * e.rows <= e.height + 1e-6);
  let seed = 7;
  const random = () => (seed = (seed * 48271) % 2147483647) / 2147483647;
  for (let i = 0; i < 2000; i++) {
    const px = random() * e.width;
    const py = random() * e.height;
    if (i % 2) v = view.zoom(v, e, random() < 0.6 ? 1.4 : 0.7, px, py);
    else v = view.pan(v, e, (random() - 0.5) * 4000, (random() - 0.5) * 4000);
    assert.ok(v.x >= 0 && v.y >= 0 && v.x + e.width / v.cellWidth <= e.columns + 1e-6 && v.y + e.height / v.cellHeight <= e.rows + 1e-6, `step ${i}`);
    const { c0, c1, r0, r1 } = view.visible(v, e);
    assert.ok(c0 >= 0 && c1 <= e.columns && r0 >= 0 && r1 <= e.rows && c1 > c0 && r1 > r0);
  }
  v = view.zoom(view.fit(e), e, 50, 450, 200);
  const before = view.cellAt(v, e, 450, 200);
  assert.deepEqual(view.cellAt(view.zoom(v, e, 1.3, 450, 200), e, 450, 200), before);
  const r = view.reveal(view.zoom(view.fit(e), e, 1e9, 0, 0), e, 299, 4095);
  assert.deepEqual([view.visible(r, e).c1, view.visible(r, e).r1], [4096, 300]);
  assert.equal(view.cellAt(v, e, -1, 5), null);
});

test('raster: where cells are smaller than pixels, a single bright key is still drawn', () => {
  const columns = 4096;
  const values = new Float32Array(3 * columns).fill(0.0001);
  values[columns + 3001] = 1;
  const m = { values, rows: 3, columns };
  const e = { columns, rows: 3, width: 300, height: 78 };
  const scale = valueScale('linear', 0, largest(values));
  const r = rasterise(m, view.fit(e), e, scale, ramp(false), 0);
  const brightest = ramp(false).pixel[255];
  assert.ok(r.width <= 300 + 1);
  assert.equal(r.pixels.filter((p) => p === brightest).length, 1);
});

test('raster: only what is in view, zeros are marked, what does not exist is left open', () => {
  const m = { values: Float32Array.from([0, 0.5, NaN, 1, NaN, NaN]), rows: 2, columns: 3 };
  const e = { columns: 3, rows: 2, width: 30, height: 20 };
  const r = rasterise(m, { x: 0, y: 0, cellWidth: 10, cellHeight: 10 }, e, valueScale('linear', 0, 1), ramp(false), 0xff123456);
  assert.deepEqual([r.width, r.height, r.pixels[0], r.pixels[2], r.pixels[4]], [3, 2, 0xff123456, 0, 0]);
  assert.equal(r.pixels[3], ramp(false).pixel[255]);
  const part = rasterise(m, { x: 1, y: 1, cellWidth: 30, cellHeight: 20 }, e, valueScale('linear', 0, 1), ramp(false), 0);
  assert.deepEqual([part.width, part.height], [1, 1]);
  assert.deepEqual([...columnMeans(m)].map((x) => (Number.isNaN(x) ? null : x)), [0.5, 0.5, null]);
  assert.deepEqual(topKeys(m, 0, 5), [{ slot: 1, weight: 0.5 }]);
});

test('top keys: the largest, in order, as many as asked for', () => {
  const values = Float32Array.from({ length: 500 }, (_, i) => ((i * 7919) % 500) / 500);
  const keys = topKeys({ values, rows: 1, columns: 500 }, 0, 10);
  assert.deepEqual(keys.map((k) => Math.round(k.weight * 500)), [499, 498, 497, 496, 495, 494, 493, 492, 491, 490]);
});

test('colours: levels never step back, both ways of counting cover the scale', () => {
  for (const kind of ['linear', 'log']) {
    const s = valueScale(kind, 0, 0.8);
    let last = 0;
    for (let x = 0; x <= 0.8; x += 0.001) {
      const level = s.level(x);
      assert.ok(level >= last && level <= 255, `${kind} ${x}`);
      last = level;
    }
    assert.equal(s.level(0.8), 255);
    assert.equal(s.level(0), 0);
    assert.equal(s.level(NaN), -1);
    assert.ok(s.ticks.length > 1 && s.ticks.every((t) => t >= 0 && t <= 0.8));
  }
  const lightness = (c) => [1, 3, 5].map((i) => Number.parseInt(c.slice(i, i + 2), 16)).reduce((a, v, i) => a + v * [0.2126, 0.7152, 0.0722][i], 0);
  for (const dark of [false, true]) {
    const all = ramp(dark).css.map(lightness);
    for (let i = 1; i < 256; i++) assert.ok(dark ? all[i] >= all[i - 1] - 0.6 : all[i] <= all[i - 1] + 0.6, `${dark} ${i}`);
    assert.notEqual(inkOn(ramp(dark), 0), inkOn(ramp(dark), 255));
  }
  assert.deepEqual(niceTicks(0, 1, 5), [0, 0.2, 0.4, 0.6, 0.8, 1]);
});

test('steps: the last ones are kept when all are too many; siblings are sets of two or more', () => {
  const steps = Array.from({ length: 10 }, (_, step) => ({ step, rows: 2, slots: 100, query_slots: [1, 2] }));
  assert.deepEqual([chooseSteps(steps).chosen.length, chooseSteps(steps, 1000).chosen.map((s) => s.step), chooseSteps(steps, 1000).leftOut], [10, [5, 6, 7, 8, 9], 5]);
  assert.equal(chooseSteps(steps, 1).chosen.length, 1);
  const token = (slot, set) => ({ slot, set, id: 0, text: '', position: 0 });
  const runs = siblingRuns([token(0, null), token(1, -1), token(2, 0), token(3, 1), token(4, 1), token(5, 1)]);
  assert.deepEqual([...runs], [[1, { first: 3, last: 5, count: 3 }]]);
});

test('numbers: as people write them, and never NaN', () => {
  const { number, plain, percent, signedPercent, pValue, interval, date, tokenText, seconds } = numbers;
  assert.deepEqual([0, 0.0712345, -0.5, 123456, 4.47e-14, 0.00001234, NaN, null, Infinity].map((x) => number(x)),
    ['0', '0.0712', '−0.500', '123456', '4.5\u00a0×\u00a010⁻¹⁴', '1.2\u00a0×\u00a010⁻⁵', '–', '–', '–']);
  assert.deepEqual([0.01, 0.1, 120, 0, 1e-9].map((x) => plain(x)), ['0.01', '0.1', '120', '0', '1.0\u00a0×\u00a010⁻⁹']);
  assert.deepEqual([0.5, 0.0712, 1, 0.9999, 0.001].map((x) => percent(x)), ['50%', '7.1%', '100%', '100%', '0.1%']);
  assert.deepEqual([2.33, -2.1, 0.01, null].map((x) => signedPercent(x)), ['+2.3%', '−2.1%', '0.0%', '–']);
  assert.deepEqual([0.0001, 0.0432, 0.5, 1, undefined].map(pValue), ['< 0.001', '0.043', '0.50', '> 0.999', '–']);
  assert.deepEqual([interval([0.1, null]), interval(null), interval([1, 2])], ['0.100 to –', '–', '1.00 to 2.00']);
  assert.deepEqual([date('2026-11-24T20:30:15Z'), date('soon'), date(null)], ['24 Nov 2026, 20:30', 'soon', '–']);
  assert.deepEqual([tokenText(' a\n'), tokenText('')], ['·a⏎', '∅']);
  assert.deepEqual([seconds(0), seconds(0.0123), seconds(2)], ['0 s', '12.3 ms', '2.00 s']);
});

test('spread: quantiles, box and a swarm in which no dot covers another', () => {
  assert.equal(quantile([1, 2, 3, 4], 0.5), 2.5);
  assert.deepEqual(box([1, 2, 3, 4, 100]), { q1: 2, q3: 4, median: 3, low: 1, high: 4 });
  assert.equal(box([NaN]), null);
  const xs = Array.from({ length: 60 }, (_, i) => (i * 37) % 100);
  const ys = swarm(xs, 4, 1000);
  for (let i = 0; i < xs.length; i++)
    for (let j = 0; j < i; j++) assert.ok((xs[i] - xs[j]) ** 2 + (ys[i] - ys[j]) ** 2 >= 64 - 0.01, `${i} ${j}`);
  const at = spaceOut([10, 11, 12], 15, 0, 100);
  assert.ok(at[1] - at[0] >= 15 && at[2] - at[1] >= 15);
  assert.ok(axis('linear', [0.2, NaN], [0, 100], 4).at(0) === 0);
  assert.ok(axis('log', [1e-9, 1], [0, 100], 4).ticks.length >= 2);
});

const decision = (id, verdict, mean, more = {}) => ({ id, verdict, mean, bound: 0.01, n: 12, ci90: [mean / 2, mean * 2], ci95: [mean / 3, mean * 3], ...more });

test('words: each verdict on each endpoint has its sentence, with its figures and no other', () => {
  for (const id of ['A2', 'B', 'C', 'D2'])
    for (const verdict of ['identical', 'equivalent', 'different', 'inconclusive', 'too few prompts', 'no data']) {
      const text = words.answer(decision(id, verdict, 0.0712));
      assert.ok(text.length > 20 && !/undefined|NaN|null/.test(text), `${id} ${verdict}: ${text}`);
    }
  assert.match(words.answer(decision('B', 'different', 0.0712)), /^No: .*7\.1% .*1%/);
  assert.match(words.answer(decision('B', 'equivalent', 0.002)), /^Yes: .*0\.2%/);
  assert.match(words.answer(decision('B', 'inconclusive', 0.009)), /^Not settled/);
  assert.match(words.answer(decision('B', 'too few prompts', 0.009, { needed: 20 })), /12 prompts, fewer than 20\. With values like these 20 prompts would do/);
  assert.match(words.answer(decision('D2', 'too few prompts', 0.009, { n: 126, counted: 6 })), /of which only 6 are not next to 0/);
  assert.match(words.answer(decision('A2', 'different', 0.063)), /6\.3% of the attention/);
  assert.match(words.answer(decision('A2', 'different', 0.063, { unit: 'nat' })), /0\.063 nat/);
  assert.match(words.answer(decision('D2', 'equivalent', -0.002)), /by 0\.2% of probability/);
  assert.match(words.answer(decision('D2', 'different', 0.02)), /more, by 2%/);
  assert.match(words.answer(decision('D2', 'different', -0.02)), /less, by 2%/);
  assert.equal(words.deterministicAnswer('A1', { threshold: 0.1, deterministic: { A1: { n: 3, holds: false, worst: 1, tolerance: 1e-6 } } }).verdict, 'fails');
  assert.equal(words.deterministicAnswer('D1', { threshold: 0.1 }).verdict, 'no data');
  assert.equal(words.verdictWords('something new').word, 'no data');
});

test('words: what could be shown is said of the side on which the mean lies', () => {
  const power = { margin: 0.006, mde: 0.002, equivalent_up_to: 0.004, different_from: 0.012 };
  assert.match(words.detectable(decision('B', 'inconclusive', 0.0053, power)), /about four times in five, equivalent where the true mean is at most 0\.004\.$/);
  assert.match(words.detectable(decision('B', 'inconclusive', 0.011, power)), /about four times in five, different where it is at least 0\.012\.$/);
  assert.match(words.detectable(decision('B', 'inconclusive', 0.005, { ...power, equivalent_up_to: null })), /not even where the true mean is 0/);
  assert.match(words.detectable(decision('D2', 'inconclusive', 0.005, { ...power, kind: 'signed' })), /0\.004 from 0; different where it is at least 0\.012 from 0/);
  assert.equal(words.detectable(decision('B', 'different', 0.02, power)), '');
  const all = words.notes(decision('D2', 'equivalent', 0.002, {
    position_offset: 0.1, direction: 'sharing dampens', depends_on_measure: true, other_measures: [{ key: 'k', measure: 'JS', unit: 'nat', mean: 0.003, bound: 0.01, verdict: 'equivalent' }],
    largest_layer: { layer: 7, mean: 0.1, verdict: 'different' }, first_slot_mass: 0.5, control: { verdict: 'inconclusive', mean: -0.01, share: 0.1, control: 0.11, ci95: [-0.02, 0.001] },
  })).join('\n');
  for (const wanted of ['D = 0.1', 'sharing a position dampens', 'layer 7', '50%', 'strangers 11%', 'depends on the measure', 'JS 0.00300 nat against 0.01, equivalent']) assert.ok(all.includes(wanted), `${wanted}: ${all}`);
});

test('words: the published speed lies inside or outside of the interval', () => {
  const t = (low, high) => ({ pairs: 30, published_percent: 18.8, visible_faster_percent: (low + high) / 2, visible_faster_interval: [low, high], raw: [] });
  assert.match(words.timingReading(t(-2, 6)), /cannot tell.*lies outside/);
  assert.match(words.timingReading(t(10, 20)), /Visible is 15\.0% faster.*lies inside/);
  assert.match(words.timingReading(t(-9, -3)), /Visible is 6\.0% slower \(95% interval 9\.0% slower to 3\.0% slower\)/);
  assert.match(words.timingReading({}), /No pair/);
});

test('experiments: published rows first, then replay, then true arms; printed sets only where they are all there', () => {
  assert.deepEqual(printedSets('[ a][, .][b'), [[' a'], [', .']]);
  const e = {
    name: 'x', cases: [], published: { outputs: 'identical', runs: [{ mode: 'isolated', sets: '[ a][b]', set_sizes: [1, 2], total_tokens: 3 }, { mode: 'visible', sets: '[ a]', set_sizes: [1, 2] }] },
  };
  const arm = (name, kind, more = {}) => ({ arm: name, kind, sets: [[{ id: 1, text: 'q', probability: 0.5 }]], set_sizes: [1], total_tokens: 1, ...more });
  const c = { prompt: 'p', arms: [arm('isolated', 'isolated'), arm('visible', 'visible'), arm('replay', 'replay', { modes_identical: true })], comparison: { a: 'isolated', b: 'visible', identical_sets: false, first_difference: 3 } };
  const rows = besideRows(e, c);
  assert.deepEqual(rows.map((r) => r.key), ['published-isolated', 'published-visible', 'replay', 'isolated', 'visible']);
  assert.deepEqual([rows[0].sets.length, rows[1].sets.length, rows[1].sizes], [2, 0, [1, 2]]);
  assert.match(besideReading(e, c), /identical.*same bits.*part at set 4/);
});

test('runs: filtered by words, kind and model; sorted without losing the order of equals', () => {
  const runs = [
    { id: '3', name: 'b', kind: 'study', model: 'm', units: 2, headline: [{ id: 'B', verdicts: ['different'] }] },
    { id: '2', name: 'a', kind: 'experiment', model: 'm', units: 1 },
    { id: '1', name: 'a', kind: 'experiment', model: null },
  ];
  assert.deepEqual(filtered(runs, { text: 'b different', kind: '', model: '' }).map((r) => r.id), ['3']);
  assert.deepEqual(filtered(runs, { text: '', kind: 'experiment', model: 'm' }).map((r) => r.id), ['2']);
  assert.deepEqual(sorted(runs, 'name', false).map((r) => r.id), ['2', '1', '3']);
  assert.deepEqual(sorted(runs, 'units', true).map((r) => r.id), ['3', '2', '1']);
});

test('report: what is no view of this version is refused in words', () => {
  for (const bad of [null, 3, {}, { view: 2, kind: 'study' }, { view: 1, kind: 'other' }]) assert.equal(typeof asView(bad), 'string');
  const v = asView({ view: 1, kind: 'experiment' });
  assert.deepEqual([v.experiments, v.values, v.run], [[], [], {}]);
});
