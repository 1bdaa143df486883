// The official client of OpenAI's API against `tempo serve`.  Usage: node openai.mjs PROGRAM (or a server's address)
// Exit 0: all passed.
import assert from 'node:assert/strict';
import OpenAI from 'openai';
import { startServer } from './serve.mjs';

const target = process.argv[2];
if (!target) {
  console.error('usage: node openai.mjs PROGRAM');
  process.exit(2);
}

const server = await startServer(target);
const client = new OpenAI({ baseURL: `${server.base}v1`, apiKey: 'none', maxRetries: 0 });
const model = 'tempo';
const prompt = 'Once upon a time';
const messages = [
  { role: 'system', content: 'Be brief.' },
  { role: 'user', content: 'Tell a story.' },
];

const tests = {
  async 'models are listed'() {
    const ids = [];
    for await (const m of client.models.list()) ids.push(m.id);
    assert.equal(ids.length, 1);
    assert.equal((await client.models.retrieve(ids[0])).id, ids[0]);
  },

  async 'a completion, whole and streamed'() {
    const ask = { model, prompt, max_tokens: 24, temperature: 0 };
    const whole = await client.completions.create(ask);
    assert.match(whole.id, /^cmpl-/);
    assert.ok(whole.choices[0].text.length > 0);
    assert.equal(whole.usage.total_tokens, whole.usage.prompt_tokens + whole.usage.completion_tokens);
    let text = '';
    let finish = null;
    let usage = null;
    for await (const piece of await client.completions.create({ ...ask, stream: true, stream_options: { include_usage: true } })) {
      text += piece.choices[0]?.text ?? '';
      finish = piece.choices[0]?.finish_reason ?? finish;
      usage = piece.usage ?? usage;
    }
    assert.equal(text, whole.choices[0].text);
    assert.equal(finish, whole.choices[0].finish_reason);
    assert.deepEqual(usage, whole.usage);
  },

  async 'a chat, whole and streamed'() {
    const ask = { model, messages, max_completion_tokens: 16, temperature: 0, logprobs: true, top_logprobs: 3 };
    const whole = await client.chat.completions.create(ask);
    const [choice] = whole.choices;
    assert.equal(choice.message.role, 'assistant');
    assert.equal(choice.logprobs.content.map((t) => t.token).join(''), choice.message.content);
    assert.ok(choice.logprobs.content.every((t) => t.top_logprobs.length === 3 && t.logprob <= 0));
    const stream = client.chat.completions.stream(ask);
    let text = '';
    stream.on('content', (delta) => (text += delta));
    const last = await stream.finalChatCompletion();
    assert.equal(text, choice.message.content);
    assert.equal(last.choices[0].message.content, choice.message.content);
    assert.equal(last.choices[0].finish_reason, choice.finish_reason);
    assert.deepEqual(last.choices[0].logprobs.content, choice.logprobs.content);
  },

  async 'a stop string ends the text in front of it'() {
    const ask = { model, prompt, max_tokens: 40, temperature: 0 };
    const whole = (await client.completions.create(ask)).choices[0].text;
    const stop = whole.slice(12, 18);
    const cut = (await client.completions.create({ ...ask, stop: [stop] })).choices[0];
    assert.equal(cut.text, whole.slice(0, whole.indexOf(stop)));
    assert.equal(cut.finish_reason, 'stop');
  },

  async 'the same seed gives the same text'() {
    const ask = { model, prompt, max_tokens: 20, temperature: 1.3, seed: 11 };
    const [a, b] = await Promise.all([client.completions.create(ask), client.completions.create(ask)]);
    assert.equal(a.choices[0].text, b.choices[0].text);
  },

  async 'a prompt is scored'() {
    const r = await client.completions.create({ model, prompt, max_tokens: 0, echo: true, logprobs: 2 });
    const l = r.choices[0].logprobs;
    assert.equal(r.choices[0].text, prompt);
    assert.equal(l.token_logprobs[0], null);
    assert.ok(l.token_logprobs.slice(1).every((x) => x <= 0));
    assert.equal(l.tokens.length, l.text_offset.length);
  },

  async 'sets of tokens, with a field of ours'() {
    const r = await client.completions.create({ model, prompt, max_tokens: 5, tempo: { threshold: 0.05, mode: 'visible' } });
    assert.equal(r.choices[0].tempo.sets.length, 5);
    assert.ok(r.choices[0].tempo.sets.every((s) => s.members.every((m) => m.probability >= 0.05 || s.reached === 0)));
  },

  async 'two prompts, three texts of each, whole and streamed'() {
    const ask = { model, prompt: [prompt, [5, 6, 7]], n: 3, seed: 4, max_tokens: 10 };
    const whole = await client.completions.create(ask);
    assert.deepEqual(whole.choices.map((c) => c.index), [0, 1, 2, 3, 4, 5]);
    const texts = Array(6).fill('');
    for await (const piece of await client.completions.create({ ...ask, stream: true })) for (const c of piece.choices) texts[c.index] += c.text;
    assert.deepEqual(texts, whole.choices.map((c) => c.text));
  },

  async 'fields that change nothing are ignored, and named'() {
    const r = await client.chat.completions.create({
      model, messages: messages.map((m) => ({ ...m, name: 'Ann' })), max_completion_tokens: 1, user: 'u', metadata: { a: 'b' }, store: true, prompt_cache_key: 'k', service_tier: 'auto', tool_choice: 'none', parallel_tool_calls: true,
    });
    const named = r.warnings.map((w) => w.split(':')[0]).sort();
    assert.deepEqual(named, ['messages[0].name', 'messages[1].name', 'metadata', 'parallel_tool_calls', 'prompt_cache_key', 'service_tier', 'store', 'tool_choice', 'user']);
  },

  async 'errors are those of the client'() {
    await assert.rejects(client.completions.create({ model: 'gpt-4', prompt }), (e) => e instanceof OpenAI.NotFoundError && e.param === 'model' && e.code === 'model_not_found');
    await assert.rejects(client.completions.create({ model, prompt, n: 2.1 }), (e) => e instanceof OpenAI.BadRequestError && e.param === 'n' && e.message.includes('2.1 is not'));
    await assert.rejects(client.chat.completions.create({ model, messages, tools: [{ type: 'function' }] }), (e) => e instanceof OpenAI.BadRequestError && e.param === 'tools[0]');
    await assert.rejects(client.completions.create({ model, prompt: Array(100000).fill(5) }), (e) => e.code === 'context_length_exceeded');
  },

  async 'a stream can be given up'() {
    const stream = await client.completions.create({ model, prompt, max_tokens: 200, stream: true });
    for await (const piece of stream) {
      assert.ok(piece.id);
      break; // ends the request
    }
    assert.equal((await fetch(`${server.base}health`)).status, 200);
  },
};

let failed = 0;
for (const [name, test] of Object.entries(tests)) {
  try {
    await test();
    console.log(`ok    ${name}`);
  } catch (e) {
    failed++;
    console.log(`FAIL  ${name}\n${e.stack}`);
  }
}
const end = await server.stop();
if (server.pid !== null && end !== 0) {
  failed++;
  console.log(`FAIL  the server ended with ${end}`);
}
process.exit(failed === 0 ? 0 : 1);
