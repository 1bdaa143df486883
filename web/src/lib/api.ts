// Asks the server that the page came from; nothing else is ever asked.
import type { ErrorBody } from './types';

const KEY = 'tempo-api-key';

/** An answer that is not a success, with the server's words. `field` names the request's field that is wrong, if one is. */
export class ApiError extends Error {
  readonly status: number;
  readonly type: string;
  readonly field: string | null;
  readonly code: string | null;
  constructor(status: number, message: string, type = 'server_error', field: string | null = null, code: string | null = null) {
    super(message);
    this.name = 'ApiError';
    this.status = status;
    this.type = type;
    this.field = field;
    this.code = code;
  }
}

export function errorOf(body: unknown, status: number): ApiError {
  const e = (body as Partial<ErrorBody> | null)?.error;
  if (!e || typeof e.message !== 'string') return new ApiError(status, `the server answered with status ${status}`);
  return new ApiError(status, e.message, e.type, e.param ?? null, e.code ?? null);
}

/** The key, if the server wants one, is kept for this tab only. */
export function apiKey(): string {
  try {
    return sessionStorage.getItem(KEY) ?? '';
  } catch {
    return '';
  }
}

export function setApiKey(key: string): void {
  try {
    sessionStorage.setItem(KEY, key);
  } catch {
    /* a browser without storage asks again */
  }
}

const wanted = new Set<() => void>();
/** Calls `f` whenever the server asks for a key. Returns how to stop that. */
export function onKeyWanted(f: () => void): () => void {
  wanted.add(f);
  return () => wanted.delete(f);
}

/** fetch() of one of the server's routes; throws ApiError when the answer is no success. */
export async function ask(path: string, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers);
  const key = apiKey();
  if (key) headers.set('Authorization', `Bearer ${key}`);
  if (typeof init.body === 'string') headers.set('Content-Type', 'application/json');
  let answer: Response;
  try {
    answer = await fetch(path, { ...init, headers });
  } catch (e) {
    if (e instanceof DOMException && e.name === 'AbortError') throw e;
    throw new ApiError(0, 'The server does not answer. Is tempo serve still running?', 'network');
  }
  if (answer.ok || answer.status === 304) return answer;
  if (answer.status === 401) for (const f of wanted) f();
  let body: unknown = null;
  try {
    body = await answer.json();
  } catch {
    /* no JSON: the status says it */
  }
  throw errorOf(body, answer.status);
}

export async function getJson<T>(path: string, signal?: AbortSignal): Promise<T> {
  return (await (await ask(path, signal ? { signal } : {})).json()) as T;
}

export async function postJson<T>(path: string, body: unknown, signal?: AbortSignal): Promise<T> {
  const init: RequestInit = { method: 'POST', body: JSON.stringify(body) };
  if (signal) init.signal = signal;
  return (await (await ask(path, init)).json()) as T;
}

/** A slice of attention: float32 in C order over `shape`. */
export interface Slice {
  shape: number[];
  querySlots: number[];
  data: Float32Array;
}

const numbers = (text: string | null): number[] => (text ? text.split(',').map(Number) : []);

/**
 * GET base/attention?...; `base` is `v1/tempo/generations/ID` or `v1/tempo/runs/ID`.
 * `layer` and `head`: a number, 'mean', or left out for all.
 */
export async function getSlice(
  base: string,
  pick: { arm: string; step: number; layer?: number | 'mean'; head?: number | 'mean'; row?: number; unit?: string },
  signal?: AbortSignal,
): Promise<Slice> {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(pick)) if (value !== undefined) query.set(name, String(value));
  const answer = await ask(`${base}/attention?${query}`, signal ? { signal } : {});
  const buffer = await answer.arrayBuffer();
  const shape = numbers(answer.headers.get('X-Tempo-Shape'));
  const size = shape.reduce((a, b) => a * b, 1);
  if (!shape.every((n) => Number.isInteger(n) && n >= 0) || size * 4 !== buffer.byteLength)
    throw new ApiError(answer.status, `attention: ${buffer.byteLength} bytes do not hold the shape ${shape.join(' x ')}`);
  return { shape, querySlots: numbers(answer.headers.get('X-Tempo-Query-Slots')), data: littleEndian(buffer) };
}

function littleEndian(buffer: ArrayBuffer): Float32Array {
  if (new Uint8Array(new Uint16Array([1]).buffer)[0] === 1) return new Float32Array(buffer);
  const view = new DataView(buffer);
  return Float32Array.from({ length: buffer.byteLength / 4 }, (_, i) => view.getFloat32(4 * i, true));
}
