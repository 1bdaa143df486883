// A request as the part of an address after #, and back: readable, and complete.
import { MAIN, MORE } from './form.svelte';
import type { ArmName, GenerateRequest, Given } from './types';

const NUMBERS = new Set(['threshold', 'steps', 'temperature', 'min_steps', 'max_set', 'max_slots']);
const FLAGS = new Set(['no_bos', 'no_special']);

/** 5:0.25,7:0.125;9:1 : sets are divided by semicolons, members by commas. */
export function givenText(given: Given): string {
  return given.map((set) => set.map((m) => `${m.id}:${m.probability}`).join(',')).join(';');
}

export function givenOf(text: string): Given {
  if (text === '') return [];
  return text.split(';').map((set) =>
    set.split(',').map((m) => {
      const [id, probability] = m.split(':').map(Number);
      if (!Number.isInteger(id) || !(probability! > 0 && probability! <= 1)) throw new Error(`the link's sets: ${m.slice(0, 40)} is no member`);
      return { id: id!, probability: probability! };
    }),
  );
}

export function paramsOf(r: GenerateRequest): URLSearchParams {
  const p = new URLSearchParams();
  if (r.prompt !== undefined) p.set('prompt', r.prompt);
  if (r.prompt_ids) p.set('prompt_ids', r.prompt_ids.join(','));
  if (r.messages) p.set('messages', JSON.stringify(r.messages));
  if (r.arms) p.set('arms', r.arms.every((a) => typeof a === 'string') ? r.arms.join(',') : JSON.stringify(r.arms));
  for (const n of [...MAIN, ...MORE]) if (r[n] !== undefined) p.set(n, String(r[n]));
  if (r.given?.length) p.set('given', givenText(r.given));
  if (!r.record) p.set('record', '');
  return p;
}

/** A prompt, and how it is read, without the options of decoding. */
export function subjectParams(r: GenerateRequest): URLSearchParams {
  const p = paramsOf(r);
  p.delete('record');
  return p;
}

/** Null when the address holds none. */
export function subjectOf(p: URLSearchParams): GenerateRequest | null {
  const r = requestOf(p);
  if (r) delete r.record;
  return r;
}

/** The address of a recording, with the request that it came of: it can be recorded again when the server has dropped it. */
export function attentionParams(at: Record<string, string>, request: GenerateRequest | null): URLSearchParams {
  const p = new URLSearchParams(at);
  if (request) for (const [name, value] of paramsOf({ ...request, record: ['attention'] })) p.set(name, value);
  return p;
}

/** Null when the address holds no request. Throws when it holds a broken one. */
export function requestOf(p: URLSearchParams): GenerateRequest | null {
  const r: GenerateRequest = {};
  if (p.has('prompt')) r.prompt = p.get('prompt')!;
  else if (p.has('prompt_ids')) r.prompt_ids = p.get('prompt_ids')!.split(',').map(Number);
  else if (p.has('messages')) r.messages = JSON.parse(p.get('messages')!) as NonNullable<GenerateRequest['messages']>;
  else return null;
  const arms = p.get('arms');
  if (arms) r.arms = arms.startsWith('[') ? (JSON.parse(arms) as NonNullable<GenerateRequest['arms']>) : (arms.split(',') as ArmName[]);
  for (const n of [...MAIN, ...MORE]) {
    const v = p.get(n);
    if (v === null) continue;
    (r as Record<string, unknown>)[n] = NUMBERS.has(n) ? Number(v) : FLAGS.has(n) ? v === 'true' : v;
  }
  const given = p.get('given');
  if (given) r.given = givenOf(given);
  r.record = p.get('record') === '' ? [] : ['attention'];
  return r;
}
