// The page's pure parts, without a browser: `npm test`. Vite loads the TypeScript.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { createServer } from 'vite';

const vite = await createServer({ configFile: false, root: new URL('..', import.meta.url).pathname, logLevel: 'error', server: { middlewareMode: true, hmr: false, ws: false }, appType: 'custom', optimizeDeps: { noDiscovery: true } });
after(() => vite.close());
const load = (name) => vite.ssrLoadModule(`/src/lib/${name}`);

const { EventParser } = await load('sse.ts');
const { arrange, memberBox, promptBox, visibleLines, FOLD, MARK, ROW } = await load('layout.ts');
const { joined, percent, shown, spoken } = await load('text.ts');
const { keysOf, places, arcsTo } = await load('arcs.ts');
const { firstPart, partings, sentence } = await load('parting.ts');

test('events: any cut of the text gives the same events', () => {
  const text = 'event: set\ndata: {"a":1}\n\n: a comment\r\ndata: x\r\ndata:y\r\n\r\nevent: done\ndata: é\n\ndata: never ended';
  const whole = new EventParser().push(text);
  assert.deepEqual(whole, [
    { event: 'set', data: '{"a":1}' },
    { event: 'message', data: 'x\ny' },
    { event: 'done', data: 'é' },
  ]);
  for (let size = 1; size < 12; size++) {
    const parser = new EventParser();
    const got = [];
    for (let i = 0; i < text.length; i += size) got.push(...parser.push(text.slice(i, i + size)));
    assert.deepEqual(got, whole, `pieces of ${size}`);
  }
});

test('text: characters spread over tokens become whole', () => {
  assert.equal(joined([{ text: 'a' }, { text: '\ufffd', bytes: [0xc3] }, { text: '\ufffd', bytes: [0xa9] }]), 'aé');
  assert.equal(shown({ text: '\ufffd', bytes: [0xc3, 0x0a] }), '‹c3 0a›');
  assert.equal(shown({ text: ' a\n' }), '·a↵');
  assert.equal(spoken({ text: '\n' }), 'line end');
  assert.deepEqual([1, 0.9996, 0.25, 0.0312, 0.0012, 0, NaN].map(percent), ['100%', '>99.9%', '25%', '3.1%', '0.12%', '0%', '–']);
});

const set = (step, n, slot) => ({
  arm: 'isolated', step, position: step, threshold: 0.1, entropy: 1, reached: n, capped: false, eos: false, stopped_by: null,
  members: Array.from({ length: n }, (_, i) => ({ id: i, text: ` w${i}`, probability: 0.5 / (i + 1), slot: slot + i, position: step })),
});
const measure = (t) => 10 * t.text.length;

test('layout: columns do not overlap, lines follow each other, folds show what they hide', () => {
  const sets = [];
  for (let t = 0, slot = 3; t < 50; slot += sets[t].members.length, t++) sets.push(set(t, 1 + ((t * 7) % 20), slot));
  for (const width of [120, 360, 1280, 2560]) {
    const layout = arrange({ prompt: [{ text: 'A' }, { text: ' b' }, { text: ' c' }], arms: ['isolated'], sets: { isolated: sets }, open: new Set([5]), width, measure });
    const steps = layout.lines.flatMap((l) => l.columns.filter((c) => c.kind === 'set').map((c) => c.index));
    assert.deepEqual(steps, sets.map((_, t) => t));
    let below = 0;
    for (const line of layout.lines) {
      assert.ok(line.y >= below);
      below = line.y + line.height;
      let right = 0;
      for (const c of line.columns) {
        assert.ok(c.x >= right && c.x + c.width <= width, `column ${c.index} at ${c.x}+${c.width} of ${width}`);
        right = c.x + c.width;
        if (c.kind === 'set') {
          assert.equal(c.rows[0] + c.more[0], sets[c.index].members.length);
          assert.ok(line.tops[0] + (c.rows[0] + (c.more[0] ? 1 : 0)) * ROW <= line.height);
          if (c.index !== 5) assert.ok(c.rows[0] <= FOLD + 1);
          else assert.equal(c.more[0], 0);
        }
      }
    }
    assert.equal(below, layout.height);
    assert.equal(memberBox(layout, 3, 0, 99), null);
    assert.equal(memberBox(layout, 99, 0, 0), null);
    assert.ok(promptBox(layout, 2).width > 0);
    const [first, end] = visibleLines(layout, layout.height - 1, layout.height + 500);
    assert.deepEqual([first, end], [layout.lines.length - 1, layout.lines.length]);
    assert.deepEqual(visibleLines(layout, 0, 1), [0, 1]);
  }
});

test('attention: slots are found, siblings told from others, the replay’s second last token too', () => {
  const sets = [set(0, 3, 4), set(1, 2, 7)];
  const start = { prompt_tokens: [{ text: 'a' }, { text: 'b' }, { text: 'c' }] };
  const who = places(start, sets);
  assert.deepEqual(who.get(3), { kind: 'prompt', index: 2 });
  assert.deepEqual(who.get(5), { kind: 'member', step: 0, row: 1 });
  const data = new Float32Array(2 * 9);
  data.set([0.5, 0, 0, 0, 0.2, 0, 0, 0.25, 0.05], 9);
  const keys = keysOf({ shape: [2, 9], querySlots: [7, 8], data }, 8, 1, who);
  assert.deepEqual(keys.map((k) => [k.slot, k.sibling, k.self]), [[0, false, false], [7, true, false], [4, false, false], [8, false, true]]);
  assert.deepEqual(keysOf({ shape: [2, 9], querySlots: [7, 8], data }, 6, 1, who), []);
  const layout = arrange({ prompt: start.prompt_tokens, arms: ['isolated'], sets: { isolated: sets }, open: new Set(), width: 900, measure });
  const arcs = arcsTo(layout, memberBox(layout, 1, 0, 1), keys, 0);
  assert.deepEqual(arcs.map((a) => a.key.slot), [0, 7, 4]);
  assert.ok(arcs[0].width > arcs[1].width && arcs.every((a) => /^M[\d.,LCc-]+$/.test(a.path)));
});

test('arms: each beside the first, sets counted from 1; a replay’s difference is not the run’s', () => {
  const of = (...sets) => sets.map((words, step) => ({ ...set(step, 0, 0), members: [...words].map((text) => ({ id: text.charCodeAt(0), text, probability: 0.2 })) }));
  const sets = { isolated: of('ab', 'c', 'de', 'f'), visible: of('ba', 'c', 'dx', 'f'), causal: of('ab', 'c', 'de'), published: of('z', 'c', 'de', 'f') };
  const arms = Object.keys(sets);
  assert.deepEqual(partings(arms, sets).map((p) => [p.arm, p.first, p.differing, p.compared]), [['visible', 2, 1, 4], ['causal', null, 0, 3], ['published', 0, 1, 4]]);
  assert.deepEqual(partings(arms, sets).map(sentence), [
    'visible parts at set 3: only visible has “x”, only isolated has “e”; 1 of 4 sets differ',
    'causal has the sets of isolated in all 3',
    'published (replay) parts at set 1: only published has “z”, only isolated has “a”, “b”; 1 of 4 sets differ',
  ]);
  assert.equal(firstPart(arms, sets), 2);
  assert.equal(firstPart(['isolated', 'published'], sets), 0);
  assert.equal(firstPart(['isolated', 'causal', 'published'], sets), null);
});

test('arms: one that has stopped differs from one that goes on, one that is behind does not', () => {
  const of = (stopped_by, ...sets) => sets.map((words, step) => ({ ...set(step, 0, 0), stopped_by: step + 1 === sets.length ? stopped_by : null, members: [...words].map((text) => ({ id: text.charCodeAt(0), text, probability: 0.2 })) }));
  const sets = { isolated: of('eos', 'ab', 'c'), visible: of('steps', 'ba', 'c', 'd', 'e'), causal: of(null, 'ab'), published: of('eos', 'ab', 'c') };
  const arms = Object.keys(sets);
  assert.deepEqual(partings(arms, sets).map((p) => [p.arm, p.first, p.stopped, p.differing, p.compared]), [['visible', 2, 'isolated', 2, 4], ['causal', null, null, 0, 1], ['published', null, null, 0, 2]]);
  assert.deepEqual(partings(arms, sets).map(sentence), [
    'visible parts at set 3: isolated has stopped, visible goes on; 2 of 4 sets differ',
    'causal has the sets of isolated in all 1',
    'published (replay) has the sets of isolated in all 2',
  ]);
  assert.equal(firstPart(arms, sets), 2);
  assert.equal(firstPart(['visible', 'isolated'], sets), 2);
  assert.equal(sentence(partings(['visible', 'isolated'], sets)[0]), 'isolated parts at set 3: isolated has stopped, visible goes on; 2 of 4 sets differ');
  assert.deepEqual(partings(['isolated', 'visible'], { visible: sets.visible }).map((p) => p.compared), [0]);
});

test('layout: what is said below a stack has its place', () => {
  const marked = (more) => [{ ...set(0, 1, 3), ...more }];
  const of = (more) => arrange({ prompt: [], arms: ['isolated'], sets: { isolated: marked(more) }, open: new Set(), width: 900, measure });
  const plain = of({}).height;
  const low = of({ reached: 0, threshold: 0.08 });
  assert.deepEqual(low.lines[0].columns[0].marks[0].map((m) => m.text), ['none ≥ 8%']);
  assert.equal(low.height, plain + MARK);
  assert.equal(of({ reached: 0, given: true }).height, plain);
  const both = of({ eos: true, capped: true, reached: 108 });
  assert.deepEqual(both.lines[0].columns[0].marks[0].map((m) => m.text), ['■ end', '✂ 1 of 108']);
  assert.equal(both.height, plain + 2 * MARK);
});

test('layout: a reader’s own spacing makes columns wider, and the widest ones too', () => {
  const wide = { ...set(0, 1, 3), members: [{ id: 1, text: 'x'.repeat(60), probability: 0.5 }] };
  const of = (spacing) => arrange({ prompt: [], arms: ['isolated'], sets: { isolated: [set(0, 2, 3), wide, set(1, 2, 5)] }, open: new Set(), width: 2000, measure, spacing }).lines[0].columns.map((c) => c.width);
  const [plain, spaced] = [of(undefined), of({ letter: 2, small: 1.4, word: 2 })];
  assert.deepEqual(of({ letter: 0, small: 0, word: 0 }), plain);
  plain.forEach((w, i) => assert.ok(spaced[i] > w + 6, `column ${i}: ${w} to ${spaced[i]}`));
  const head = (text) => arrange({ prompt: [], arms: ['isolated'], sets: { isolated: [set(0, 1, 3)] }, open: new Set(), width: 900, measure, head: () => text }).lines[0].columns[0].width;
  assert.ok(head('12  1st ≠  given  KL 0.0012') > head('12'));
});

test('line ends: a sign for each, one line for a run, over parts too', async () => {
  const { withBreaks } = await load('breaks.ts');
  const drawn = (...parts) => withBreaks(parts).map((pieces) => pieces.map((p) => (p.sign ? '↵' : '') + p.text).join(''));
  assert.deepEqual(drawn('a\nb'), ['a↵\nb']);
  assert.deepEqual(drawn('a\n\n\nb', 'c'), ['a↵↵↵\nb', 'c']);
  assert.deepEqual(drawn('a\n', '', '\n', '\r\nb\n'), ['a↵', '', '↵', '↵\nb↵\n']);
  assert.deepEqual(drawn('', 'a\r', 'b'), ['', 'a\r', 'b']);
  assert.deepEqual(drawn('a\n', 'b'), ['a↵\n', 'b']);
});

test('branches: the probability of a path is that of its choices', async () => {
  const { choicesOf, choicesText, pathProbability } = await load('choices.ts');
  const choices = [{ step: 1, probability: 0.5 }, { step: 4, probability: 0.1 }];
  assert.equal(pathProbability(choices), 0.05);
  assert.equal(pathProbability(choices, 3), 0.5);
  assert.equal(pathProbability(choices, 0), null);
  assert.equal(pathProbability([]), null);
  const one = (probability) => [{ id: 7, probability }];
  const given = [[{ id: 1, probability: 0.3 }, { id: 2, probability: 0.2 }], one(0.5), one(0.9), one(1), one(0.1)];
  assert.deepEqual(choicesOf(choicesText(choices), given), choices);
  assert.deepEqual(choicesOf('4,1,1,0,99,x,-1', given), choices); // a set of two, and what is not there, is no choice
  assert.deepEqual(choicesOf(null, given), []);
});
