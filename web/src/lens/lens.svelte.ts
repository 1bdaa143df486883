// One look through the lens: what was asked, what came, and which positions of a long prompt are shown.
import { ApiError, postJson } from '../lib/api.ts';
import type { LensAnswer, LensRequest, Piece } from '../lib/types.ts';

/** As many positions as one table shows. */
export const MOST = 64;

export type Named = string | number;

export class Look {
  /** The prompt and how it is read. */
  readonly subject: LensRequest;
  answer = $state.raw<LensAnswer | null>(null);
  error = $state.raw<ApiError | null>(null);
  busy = $state(false);
  /** Tokens that are watched, by text or id. */
  watched = $state.raw<Named[]>([]);
  /** All tokens of the prompt. */
  tokens = $state.raw<Piece[]>([]);
  from = $state(0);
  #abort = new AbortController();

  constructor(subject: LensRequest, watched: Named[]) {
    this.subject = subject;
    this.watched = watched;
  }

  get to(): number {
    return Math.min(this.tokens.length, this.from + MOST);
  }

  /** The last positions at first. Never throws: what went wrong is in `error`. */
  async run(): Promise<void> {
    await this.#ask(async (signal) => {
      const first = await postJson<LensAnswer>('v1/tempo/lens', { ...this.subject, tokens: this.watched, rows: [0], top: 1 }, signal);
      this.tokens = first.prompt_tokens;
      this.from = Math.max(0, this.tokens.length - MOST);
      return this.#rows(signal, this.watched, this.from);
    });
  }

  async show(from: number): Promise<void> {
    const at = Math.max(0, Math.min(from, this.tokens.length - MOST));
    if (await this.#ask((signal) => this.#rows(signal, this.watched, at))) this.from = at;
  }

  /** Watches other tokens; when the server knows one of them not, all stays as it was. */
  async watch(tokens: Named[]): Promise<boolean> {
    const ok = await this.#ask((signal) => this.#rows(signal, tokens, this.from));
    if (ok) this.watched = tokens;
    return ok;
  }

  stop(): void {
    this.#abort.abort();
  }

  #rows(signal: AbortSignal, tokens: Named[], from: number): Promise<LensAnswer> {
    const rows = Array.from({ length: Math.min(MOST, this.tokens.length - from) }, (_, i) => from + i);
    return postJson<LensAnswer>('v1/tempo/lens', { ...this.subject, tokens, rows, top: 10 }, signal);
  }

  async #ask(what: (signal: AbortSignal) => Promise<LensAnswer>): Promise<boolean> {
    this.#abort.abort();
    const abort = (this.#abort = new AbortController());
    this.busy = true;
    this.error = null;
    try {
      const answer = await what(abort.signal);
      if (abort.signal.aborted) return false;
      this.answer = answer;
      return true;
    } catch (e) {
      if (!abort.signal.aborted) this.error = e instanceof ApiError ? e : new ApiError(0, String(e), 'network');
      return false;
    } finally {
      if (this.#abort === abort) this.busy = false;
    }
  }
}
