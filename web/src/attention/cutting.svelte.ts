// The cuts of one recording, and the next distribution with and without them.
import { ApiError, getJson, postJson } from '../lib/api.ts';
import type { GenerateRequest, GenerationDocument, SetEvent } from '../lib/types.ts';
import { forked, type Cut } from './cuts.ts';

/** Tokens of each distribution. */
const TOP = 20;

export interface Outcome {
  without: SetEvent;
  with: SetEvent;
  kl: number | null;
  tv: number | null;
  /** Cuts that changed no number. */
  idle: string[];
}

export class Cutting {
  cuts = $state.raw<Cut[]>([]);
  outcome = $state.raw<Outcome | null>(null);
  trouble = $state('');
  busy = $state(false);
  #document: { id: string; got: Promise<GenerationDocument> } | null = null;

  /** False: it is there already. */
  add(cut: Cut): boolean {
    if (this.cuts.some((c) => c.edit === cut.edit)) return false;
    this.cuts = [...this.cuts, cut];
    return true;
  }
  remove(at: number): void {
    this.cuts = this.cuts.filter((_, i) => i !== at);
  }
  clear(): void {
    this.cuts = [];
    this.outcome = null;
    this.trouble = '';
  }

  /** What step `step` of the recording would choose from; only the latest call has an effect. */
  async ask(id: string, request: GenerateRequest, arm: string, step: number, signal: AbortSignal): Promise<void> {
    this.busy = true;
    this.trouble = '';
    try {
      if (this.#document?.id !== id) this.#document = { id, got: getJson<GenerationDocument>(`v1/tempo/generations/${encodeURIComponent(id)}`) };
      const { sets } = await this.#document.got;
      const body = forked(request, arm, sets.filter((s) => s.arm === arm && s.step < step), this.cuts, TOP);
      const doc = await postJson<GenerationDocument>('v1/tempo/generate', body, signal);
      if (signal.aborted) return;
      const last = (name: string) => doc.sets.filter((s) => s.arm === name).at(-1);
      const [a, b] = [last('as-it-was'), last('cut')];
      const told = doc.compare.at(-1);
      if (!a || !b) throw new ApiError(0, 'The context ends before the next step.');
      const uses = doc.done.arms.find((x) => x.arm === 'cut')?.edits ?? [];
      this.outcome = { without: a, with: b, kl: told?.kl[1] ?? null, tv: told?.tv[1] ?? null, idle: uses.filter((u) => !u.changed).map((u) => u.edit) };
    } catch (e) {
      if (signal.aborted) return;
      this.#document = null;
      this.outcome = null;
      this.trouble = e instanceof Error ? e.message : String(e);
    } finally {
      if (!signal.aborted) this.busy = false;
    }
  }
}
