// What the attention view asks the server for (docs/server.md, "What was recorded"), and how slices are put together.
import { getJson, getSlice } from '../lib/api.ts';
import { shown, spoken } from '../lib/text.ts';
import type { AttentionEvent, SlotToken as Token, StepEntry, Steps } from '../lib/types.ts';
import type { MapData } from './raster.ts';

export type { Token, StepEntry, Steps };
export type Pick = number | 'mean';

export function shownToken(t: Token | undefined): string {
  return t && t.text !== null ? shown({ text: t.text, bytes: t.bytes }) : '?';
}
export function spokenToken(t: Token | undefined): string {
  return t && t.text !== null ? spoken({ text: t.text, bytes: t.bytes }) : 'unknown token';
}

/** Slots before the first set: step 0 reads the prompt's last token, so it sees the whole prompt and nothing else. */
export function promptSlots(s: Steps): number {
  return s.steps.find((x) => x.step === 0)?.slots ?? 0;
}

/** How many sets have members in the context. */
export function selectedSets(s: Steps): number {
  const prompt = promptSlots(s);
  return new Set(s.tokens.filter((t) => t.slot >= prompt).map((t) => t.set)).size;
}

/** A generation or a run; `unit` only of runs. */
export interface Source { kind: 'gen' | 'run'; id: string; unit?: string }

export function baseOf(s: Source): string {
  return `v1/tempo/${s.kind === 'gen' ? 'generations' : 'runs'}/${encodeURIComponent(s.id)}`;
}

function query(s: Source, values: Record<string, string | number>): string {
  const q = new URLSearchParams(Object.entries(values).map(([k, v]) => [k, String(v)]));
  if (s.unit) q.set('unit', s.unit);
  const text = q.toString();
  return text ? `?${text}` : '';
}

export function getSteps(s: Source, arm: string | null, signal: AbortSignal): Promise<Steps> {
  return getJson<Steps>(`${baseOf(s)}/attention/steps${query(s, arm ? { arm } : {})}`, signal);
}

export function getSummary(s: Source, arm: string, step: number, signal: AbortSignal): Promise<AttentionEvent> {
  return getJson<AttentionEvent>(`${baseOf(s)}/attention/summary${query(s, { arm, step, top_keys: 0 })}`, signal);
}

/** One head's rows x slots at one step, or of several steps below each other. */
export interface HeadMap extends MapData {
  rowsOf: { step: number; slot: number }[];
  /** Steps that were left out because all together they were too many. */
  leftOut: number;
}

/** As many weights as one map may hold: 64 MB. */
const MOST = 16e6;
const AT_ONCE = 4;

/** The steps to show, the last ones if all are too many for one map. */
export function chooseSteps(steps: readonly StepEntry[], most = MOST): { chosen: StepEntry[]; leftOut: number } {
  const chosen: StepEntry[] = [];
  let rows = 0;
  const columns = Math.max(0, ...steps.map((s) => s.slots));
  for (let i = steps.length - 1; i >= 0; i--) {
    const s = steps[i]!;
    if (chosen.length > 0 && (rows + s.rows) * columns > most) break;
    rows += s.rows;
    chosen.unshift(s);
  }
  return { chosen, leftOut: steps.length - chosen.length };
}

export async function getHeadMap(
  s: Source, arm: string, steps: readonly StepEntry[], layer: Pick, head: Pick, signal: AbortSignal,
): Promise<HeadMap> {
  const { chosen, leftOut } = chooseSteps(steps);
  const columns = Math.max(0, ...chosen.map((c) => c.slots));
  const first: number[] = [];
  let rows = 0;
  for (const c of chosen) {
    first.push(rows);
    rows += c.rows;
  }
  const values = new Float32Array(rows * columns).fill(NaN);
  const rowsOf: { step: number; slot: number }[] = [];
  for (const c of chosen) for (let r = 0; r < c.rows; r++) rowsOf.push({ step: c.step, slot: c.query_slots[r] ?? -1 });
  let next = 0;
  const worker = async () => {
    for (let i = next++; i < chosen.length; i = next++) {
      const c = chosen[i]!;
      const slice = await getSlice(baseOf(s), { arm, step: c.step, layer, head, ...(s.unit ? { unit: s.unit } : {}) }, signal);
      const [gotRows, gotSlots] = slice.shape;
      if (slice.shape.length !== 2 || gotRows !== c.rows || gotSlots !== c.slots)
        throw new Error(`attention of step ${c.step}: ${slice.shape.join(' x ')} numbers, expected ${c.rows} x ${c.slots}`);
      for (let r = 0; r < c.rows; r++)
        values.set(slice.data.subarray(r * c.slots, (r + 1) * c.slots), (first[i]! + r) * columns);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return { values, rows, columns, rowsOf, leftOut };
}

/** For each set of two members or more its first and last slot. */
export function siblingRuns(tokens: readonly Token[]): Map<number, { first: number; last: number; count: number }> {
  const runs = new Map<number, { first: number; last: number; count: number }>();
  for (const t of tokens) {
    if (t.set === null || t.set < 0) continue;
    const run = runs.get(t.set);
    if (run) {
      run.first = Math.min(run.first, t.slot);
      run.last = Math.max(run.last, t.slot);
      run.count++;
    } else runs.set(t.set, { first: t.slot, last: t.slot, count: 1 });
  }
  for (const [set, run] of runs) if (run.count < 2) runs.delete(set);
  return runs;
}
