// Edges and heads that are cut, as edits (docs/interventions.md), and the request that shows what comes of it.
import type { ArmName, GenerateRequest, SetEvent, SlotToken } from '../lib/types.ts';
import { shownToken, type Pick } from './data.ts';

export interface Cut {
  /** What --edit takes. */
  edit: string;
  /** The same in words. */
  words: string;
}

/** A slot by its set, and by its place in it where that has others. */
export function selection(tokens: readonly SlotToken[], slot: number): string {
  const set = tokens[slot]?.set;
  if (set === null || set === undefined || set < 0) return 'first';
  const own = tokens.filter((t) => t.set === set);
  return own.length > 1 ? `set:${set}&member:${own.findIndex((t) => t.slot === slot)}` : `set:${set}`;
}

const where = (layer: Pick, head: Pick) => `${layer === 'mean' ? '' : ` layers=${layer}`}${head === 'mean' ? '' : ` heads=${head}`}`;
const inWords = (layer: Pick, head: Pick) =>
  layer === 'mean' ? (head === 'mean' ? 'all heads' : `head ${head} of all layers`) : head === 'mean' ? `all heads of layer ${layer}` : `head ${head} of layer ${layer}`;

/** That row does not see that slot. */
export function cutEdge(tokens: readonly SlotToken[], row: number, slot: number, layer: Pick, head: Pick): Cut {
  return {
    edit: `cut ${selection(tokens, row)} -> ${selection(tokens, slot)}${where(layer, head)}`,
    words: `${shownToken(tokens[row])} does not see ${shownToken(tokens[slot])} (slot ${slot}) in ${inWords(layer, head)}`,
  };
}

/** Those rows see nothing there; all rows without a set. */
export function cutHead(tokens: readonly SlotToken[], row: number | null, layer: Pick, head: Pick): Cut {
  const set = row === null ? null : (tokens[row]?.set ?? null);
  return {
    edit: `cut ${set === null ? '' : `set:${set} -> `}all${where(layer, head)}`,
    words: `${set === null ? 'all rows see' : 'the rows of this step see'} nothing in ${inWords(layer, head)}`,
  };
}

/** One step more behind the sets that were chosen, without the cuts and with them: of each the most probable tokens. */
export function forked(request: GenerateRequest, arm: string, sets: readonly SetEvent[], cuts: readonly Cut[], top: number): GenerateRequest {
  const { threshold: _t, steps: _s, max_set: _m, min_steps: _l, stop: _o, arms, mode, replay, record: _r, attention: _a, top_keys: _k, stream: _e, ...rest } = request;
  const named = arms?.find((a) => typeof a === 'object' && (a.name ?? a.arm) === arm);
  const own = typeof named === 'object' ? named : {};
  const kind = (own.arm ?? (arms?.some((a) => a === arm) ? arm : replay && replay !== 'none' ? replay : (mode ?? 'isolated'))) as ArmName;
  const before = own.edits ?? [];
  return {
    ...rest,
    given: sets.map((s) => s.members.map(({ id, probability }) => ({ id, probability }))),
    steps: 1, threshold: 1e-12, max_set: top, stop: 'never', stream: false,
    arms: [{ name: 'as-it-was', arm: kind, edits: before }, { name: 'cut', arm: kind, edits: [...before, ...cuts.map((c) => c.edit)] }],
  };
}

/** Quoted for a shell: they hold >, & and spaces. */
export const commandText = (cuts: readonly Cut[]): string => cuts.map((c) => `--edit '${c.edit}'`).join(' ');
