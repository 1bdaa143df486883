// A grid as a table: layers down; positions, or heads, across.
import { shown, spoken } from '../lib/text.ts';
import type { PatchGrid, PatchStart } from '../lib/types.ts';
import type { Head } from '../lib/Cells.svelte';

export interface Table {
  title: string;
  rows: Head[];
  columns: Head[];
  /** Where a cell's value lies. */
  place: (r: number, c: number) => number;
}

const one: Head = { text: 'all', said: 'all' };

export function tableOf(g: PatchGrid, start: PatchStart): Table {
  const rows = g.layers?.map((l) => ({ text: String(l), said: `layer ${l}` })) ?? [one];
  const heads = g.heads ?? [];
  const positions = g.positions ?? [];
  const token = (p: number): Head => {
    const [a, b] = [start.clean_tokens[p], start.corrupt_tokens[p]];
    if (!a || !b) return { text: String(p), said: `position ${p}` };
    const same = a.id === b.id;
    return { text: same ? shown(a) : `${shown(a)} / ${shown(b)}`, said: `position ${p}: ${spoken(a)}${same ? '' : ` against ${spoken(b)}`}` };
  };
  const columns = [] as Head[];
  if (heads.length && positions.length)
    for (const h of heads) for (const p of positions) columns.push({ text: `${h}: ${token(p).text}`, said: `head ${h}, ${token(p).said}` });
  else if (heads.length) columns.push(...heads.map((h) => ({ text: String(h), said: `head ${h}` })));
  else if (positions.length) columns.push(...positions.map(token));
  else columns.push(one);
  const way = g.direction === 'denoise' ? 'clean values into the corrupt run' : 'corrupt values into the clean run';
  return { title: `${g.tap}: ${way}`, rows, columns, place: (r, c) => r * columns.length + c };
}

/** A field of CSV (RFC 4180). */
const field = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

/** One line a cell of all grids: tap, direction, layer, head, position, token, value, share; empty where that is not told apart. */
export function csvOf(start: PatchStart, values: readonly ArrayLike<number>[], share: (x: number) => number): string {
  const lines = ['tap,direction,layer,head,position,clean_token,corrupt_token,value,normalised'];
  const number = (x: number) => (Number.isFinite(x) ? String(x) : '');
  start.grids.forEach((g, i) => {
    let at = 0;
    for (const l of g.layers ?? [null]) for (const h of g.heads ?? [null]) for (const p of g.positions ?? [null]) {
      const v = values[i]?.[at++] ?? NaN;
      lines.push([g.tap, g.direction, l ?? '', h ?? '', p ?? '', p === null ? '' : (start.clean_tokens[p]?.text ?? ''), p === null ? '' : (start.corrupt_tokens[p]?.text ?? ''), number(v), number(share(v))].map((x) => field(String(x))).join(','));
    }
  });
  return `${lines.join('\r\n')}\r\n`;
}
