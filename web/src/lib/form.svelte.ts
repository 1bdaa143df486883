// The request being composed: prompt, options as they are typed, what is wrong with them. Playground and Compare share it.
import { ApiError, getJson } from './api';
import type { GenerateRequest, Given, Info, OptionInfo, Preset } from './types';

/** The options of generate that the form offers, in its order. The first few are always in sight. */
export const MAIN = ['threshold', 'mode', 'steps', 'temperature'] as const;
export const MORE = ['context', 'readout', 'positions', 'visible_layers', 'stop', 'min_steps', 'max_set', 'replay', 'kv', 'max_slots', 'no_bos', 'no_special'] as const;

export const STARTER = 'The moon is made of';
const STARTING: Record<string, string> = { threshold: '0.08', steps: '24' };

const SET_BY_REPLAY = ['context', 'readout', 'positions'];

/** How a prompt is read: the server takes these too, though they are no options of decoding. */
const READING: OptionInfo[] = [
  { name: 'no_bos', kind: 'flag', default: false, help: 'do not put the begin-of-sequence token in front, whatever the model’s rule is' },
  { name: 'no_special', kind: 'flag', default: false, help: 'names of special tokens in the text are plain text' },
];

/** What is wrong with a value, in words, or null. `value` is what was typed. */
export function problem(o: OptionInfo, value: string | boolean): string | null {
  if (typeof value === 'boolean' || value === '') return null;
  if (o.kind === 'choice') return !o.choices || o.choices.includes(value) ? null : `one of ${o.choices.join(', ')}`;
  if (o.name === 'visible_layers') {
    const m = /^(\d+)-(\d+)$/.exec(value);
    return m && Number(m[1]) <= Number(m[2]) ? null : 'two layers, such as 0-7';
  }
  if (o.name === 'positions')
    return /^(shared|unique|offset:[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?)$/i.test(value) ? null : 'shared, unique, or offset:D with a number D';
  if (o.kind !== 'integer' && o.kind !== 'real') return null;
  const x = Number(value);
  if (value.trim() === '' || !Number.isFinite(x)) return 'a number is needed';
  if (o.kind === 'integer' && !Number.isInteger(x)) return 'a whole number is needed';
  const low = o.low ?? null;
  const high = o.high ?? null;
  if (low !== null && (o.low_excluded ? x <= low : x < low)) return `must be ${o.low_excluded ? 'more than' : 'at least'} ${low}`;
  if (high !== null && x > high) return `must be at most ${high}`;
  return null;
}

export class Form {
  info = $state.raw<Info | null>(null);
  presets = $state.raw<Preset[]>([]);
  /** Why the server's description could not be had. */
  failure = $state.raw<ApiError | null>(null);
  prompt = $state(STARTER);
  promptIds = $state.raw<number[] | null>(null);
  messages = $state.raw<GenerateRequest['messages'] | null>(null);
  values = $state<Record<string, string | boolean>>({ ...STARTING });
  given = $state.raw<Given>([]);
  keepAttention = $state(true);
  /** A field that the server refused, with its words, until it is changed. */
  refused = $state.raw<{ field: string; message: string } | null>(null);

  options = $derived(new Map((this.info ? [...READING, ...this.info.options] : []).map((o) => [o.name.replaceAll('-', '_'), o])));

  async load(): Promise<void> {
    this.failure = null;
    try {
      this.info = await getJson<Info>('v1/tempo/info');
      this.presets = (await getJson<{ presets: Preset[] }>('v1/tempo/presets')).presets;
    } catch (e) {
      this.failure = e instanceof ApiError ? e : new ApiError(0, String(e));
    }
  }

  value(name: string): string | boolean {
    const v = this.values[name];
    if (v !== undefined) return v;
    const o = this.options.get(name);
    const d = o?.default;
    if (typeof d === 'boolean') return d;
    if (o?.kind === 'text') return ''; // the default of a text may be words about it, e.g. "all layers"
    return d === null || d === undefined ? '' : String(d);
  }

  set(name: string, value: string | boolean): void {
    this.values[name] = value;
    if (this.refused?.field === name) this.refused = null;
  }

  /** What is wrong with an option as it stands, or null. */
  wrong(name: string): string | null {
    if (this.refused?.field === name) return this.refused.message;
    const o = this.options.get(name);
    if (!o) return null;
    const value = this.value(name);
    const found = problem({ ...o, name }, value);
    if (found) return found;
    if (SET_BY_REPLAY.includes(name) && this.#changed(name) && this.#changed('replay'))
      return 'a replay sets this itself';
    if (name === 'visible_layers' && this.#changed(name) && this.value('mode') === 'isolated')
      return 'needs mode visible or causal';
    if (name === 'steps' && value === '') return 'a number is needed';
    return null;
  }

  get wrongFields(): string[] {
    return [...MAIN, ...MORE].filter((n) => this.wrong(n) !== null);
  }

  get hasPrompt(): boolean {
    return this.promptIds !== null || this.messages !== null || this.prompt.length > 0;
  }

  /** The threshold; while what is typed is none, the last one that was. */
  get threshold(): number {
    const v = this.value('threshold');
    const t = Number(v === '' ? (this.options.get('threshold')?.default ?? NaN) : v);
    if (t > 0 && t <= 1) this.#lastThreshold = t;
    return this.#lastThreshold;
  }
  #lastThreshold = Number(STARTING.threshold);

  #changed(name: string): boolean {
    const v = this.value(name);
    if (v === '') return false;
    const d = this.options.get(name)?.default;
    return String(v) !== String(d ?? '');
  }

  /** The prompt, and how it is read: what every request has. */
  get subjectOnly(): GenerateRequest {
    const { temperature: _, ...r } = this.subject;
    return r;
  }

  /** What says which text is continued: the fields that /v1/tempo/next takes too. */
  get subject(): GenerateRequest {
    const r: GenerateRequest = this.promptIds ? { prompt_ids: this.promptIds } : this.messages ? { messages: this.messages } : { prompt: this.prompt };
    for (const n of ['temperature', 'no_bos', 'no_special'] as const) if (this.#changed(n) && !this.wrong(n)) (r as Record<string, unknown>)[n] = this.#typed(n);
    return r;
  }

  #typed(name: string): unknown {
    const v = this.value(name);
    const kind = this.options.get(name)?.kind;
    return kind === 'integer' || kind === 'real' ? Number(v) : v;
  }

  /** The request as it stands: options that differ from their defaults, and always threshold and steps. */
  request(without: readonly string[] = []): GenerateRequest {
    const r: GenerateRequest = this.promptIds ? { prompt_ids: this.promptIds } : this.messages ? { messages: this.messages } : { prompt: this.prompt };
    for (const n of [...MAIN, ...MORE]) {
      if (without.includes(n) || (this.options.size > 0 && !this.options.has(n))) continue;
      if (n === 'threshold' || n === 'steps' ? this.value(n) !== '' : this.#changed(n)) (r as Record<string, unknown>)[n] = this.#typed(n);
    }
    if (this.given.length) r.given = this.given;
    if (this.keepAttention) r.record = ['attention'];
    return r;
  }

  /** Takes the fields of a request: a preset's, a link's. Options that it does not name go back to their defaults. */
  take(r: GenerateRequest): void {
    this.promptIds = r.prompt_ids ?? null;
    this.messages = r.messages ?? null;
    this.prompt = r.prompt ?? '';
    this.given = r.given ?? [];
    this.keepAttention = r.record === undefined || r.record.includes('attention');
    this.refused = null;
    const values: Record<string, string | boolean> = {};
    for (const n of [...MAIN, ...MORE]) {
      const v = r[n];
      if (typeof v === 'boolean') values[n] = v;
      else if (typeof v === 'string' || typeof v === 'number') values[n] = String(v);
    }
    this.values = values;
  }
}

export const form = new Form();
