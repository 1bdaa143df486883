// The registry's rows: which are shown and in what order.
import type { RunRow } from './types.ts';

export type SortKey = 'name' | 'kind' | 'model' | 'created' | 'units';
export interface Filter { text: string; kind: string; model: string }

export function filtered(runs: readonly RunRow[], f: Filter): RunRow[] {
  const words = f.text.toLowerCase().split(/\s+/).filter(Boolean);
  return runs.filter((r) => {
    if (f.kind && r.kind !== f.kind) return false;
    if (f.model && r.model !== f.model) return false;
    const all = `${r.id} ${r.name ?? ''} ${r.kind} ${r.model ?? ''} ${r.status ?? ''} ${(r.headline ?? []).map((h) => `${h.id} ${h.verdicts.join(' ')}`).join(' ')}`.toLowerCase();
    return words.every((w) => all.includes(w));
  });
}

/** Sorted copies; what is equal stays in the order the server sent, newest first. */
export function sorted(runs: readonly RunRow[], key: SortKey, descending: boolean): RunRow[] {
  const value = (r: RunRow): string | number => (key === 'units' ? (r.units ?? 0) : (r[key] ?? '').toString().toLowerCase());
  return [...runs].sort((a, b) => {
    const x = value(a);
    const y = value(b);
    const order = x < y ? -1 : x > y ? 1 : 0;
    return descending ? -order : order;
  });
}

/** The choices of a filter: each value once, in order. */
export function choices(runs: readonly RunRow[], of: (r: RunRow) => string | null | undefined): string[] {
  return [...new Set(runs.map(of).filter((x): x is string => !!x))].sort();
}
