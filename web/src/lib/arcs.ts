// From attention weights to arcs between boxes of the layout.
import { line as d3line, curveBasis } from 'd3-shape';
import { scaleSqrt } from 'd3-scale';
import type { Slice } from './api';
import { memberBox, promptBox, type Box, type Layout } from './layout';
import type { SetEvent, StartEvent } from './types';

/** What a slot of the context holds. */
export type Place = { kind: 'prompt'; index: number } | { kind: 'member'; step: number; row: number };

export interface Key {
  slot: number;
  weight: number;
  place: Place;
  sibling: boolean;
  self: boolean;
}

/** Who is in each slot of an arm's context. Prompt tokens come first; replays feed the last of them twice. */
export function places(start: StartEvent, sets: readonly SetEvent[]): Map<number, Place> {
  const map = new Map<number, Place>();
  start.prompt_tokens.forEach((_, index) => map.set(index, { kind: 'prompt', index }));
  let first = Infinity;
  for (const set of sets)
    set.members.forEach((m, row) => {
      if (typeof m.slot !== 'number' || m.slot < 0) return;
      map.set(m.slot, { kind: 'member', step: set.step, row });
      first = Math.min(first, m.slot);
    });
  for (let slot = start.prompt_tokens.length; slot < first && first < Infinity; slot++)
    map.set(slot, { kind: 'prompt', index: start.prompt_tokens.length - 1 });
  return map;
}

/** One row of a slice [rows, slots], most weight first. */
export function keysOf(slice: Slice, slot: number, step: number, who: ReadonlyMap<number, Place>): Key[] {
  const row = slice.querySlots.indexOf(slot);
  const slots = slice.shape[1] ?? 0;
  if (row < 0) return [];
  const keys: Key[] = [];
  for (let s = 0; s < slots; s++) {
    const weight = slice.data[row * slots + s] ?? 0;
    const place = who.get(s);
    if (!(weight > 0) || !place) continue;
    const self = s === slot;
    keys.push({ slot: s, weight, place, self, sibling: !self && place.kind === 'member' && place.step === step });
  }
  return keys.sort((a, b) => b.weight - a.weight || a.slot - b.slot);
}

export interface Arc {
  path: string;
  width: number;
  key: Key;
  box: Box;
}

const curve = d3line<[number, number]>().curve(curveBasis);
const thickness = scaleSqrt().domain([0, 1]).range([0, 16]).clamp(true);
const MAX_ARCS = 32;
const MIN_WEIGHT = 0.004;

export function boxOf(layout: Layout, place: Place, arm: number): Box | null {
  return place.kind === 'prompt' ? promptBox(layout, place.index) : memberBox(layout, place.step, arm, place.row);
}

/** The arcs from a member to what it attends to. Width: 16 px for all of the attention, by its square root. */
export function arcsTo(layout: Layout, from: Box, keys: readonly Key[], arm: number): Arc[] {
  const arcs: Arc[] = [];
  for (const key of keys) {
    if (arcs.length === MAX_ARCS || key.weight < MIN_WEIGHT) break;
    if (key.self) continue;
    const box = boxOf(layout, key.place, arm);
    if (!box) continue;
    arcs.push({ path: key.sibling ? loop(from, box) : lineAt(layout, from.y) === lineAt(layout, box.y) ? over(from, box) : across(from, box), width: Math.max(1, thickness(key.weight)), key, box });
  }
  return arcs;
}

const lineAt = (layout: Layout, y: number): number => layout.lines.findIndex((l) => y >= l.y && y < l.y + l.height);

/** A bow over the columns of a line. */
function over(from: Box, to: Box): string {
  const x1 = from.x + from.width / 2;
  const x2 = to.x + to.width / 2;
  const y1 = from.y + 2;
  const y2 = to.y + 2;
  const top = Math.min(y1, y2) - Math.min(18 + Math.abs(x1 - x2) * 0.12, 52);
  return curve([[x1, y1], [x1, top], [x2, top], [x2, y2]]) ?? '';
}

/** From the foot of a member in a line above. */
function across(from: Box, to: Box): string {
  const x1 = from.x + from.width / 2;
  const x2 = to.x + to.width / 2;
  const y1 = from.y + 2;
  const y2 = to.y + to.height - 4;
  const lift = Math.min(18 + Math.abs(x1 - x2) * 0.12, 64);
  return curve([[x1, y1], [x1, y1 - lift], [x2, y2 + lift], [x2, y2]]) ?? '';
}

/** A bow at the right of a column, from one member to a sibling. */
function loop(from: Box, to: Box): string {
  const x = from.x + from.width - 2;
  const y1 = from.y + from.height / 2;
  const y2 = to.y + to.height / 2;
  const out = 10 + Math.min(26, Math.abs(y1 - y2) * 0.25);
  return curve([[x, y1], [x + out, y1], [x + out, y2], [x, y2]]) ?? '';
}
