// Rows of "published beside replay beside true arms": every way the same prompt was decoded, in one order.
import { faster, isNumber, plural } from './numbers.ts';
import type { Experiment, ExperimentCase } from './types.ts';

export interface BesideRow {
  key: string;
  label: string;
  source: 'published' | 'replay' | 'true';
  /** The sets' members, most probable first; of published ones as printed, one text a set. */
  sets: string[][];
  probabilities: (number | null)[][] | null;
  sizes: number[];
  tokens: number | null;
  text: string;
}

/** "[ windows][ill][, .]" as its parts. Where one token ends and the next begins is not printed, so a set is one text. */
export function printedSets(text: string | undefined): string[][] {
  return [...(text ?? '').matchAll(/\[([^\]]*)\]/g)].map((m) => [m[1] ?? '']);
}

export function besideRows(e: Experiment, c: ExperimentCase): BesideRow[] {
  const rows: BesideRow[] = [];
  for (const r of e.published?.runs ?? []) {
    const sets = printedSets(r.sets);
    const sizes = r.set_sizes ?? [];
    rows.push({
      key: `published-${r.mode}`, label: `published, ${r.mode}`, source: 'published',
      // what was printed of longer runs leaves sets out: then only their sizes are known
      sets: sets.length === sizes.length ? sets : [],
      probabilities: null, sizes, tokens: r.total_tokens ?? null, text: r.text ?? '',
    });
  }
  const order = (kind: string | undefined) => (kind === 'replay' ? 0 : 1);
  for (const a of [...c.arms].sort((x, y) => order(x.kind) - order(y.kind)))
    rows.push({
      key: a.arm, label: a.arm, source: a.kind === 'replay' ? 'replay' : 'true',
      sets: (a.sets ?? []).map((s) => s.map((m) => m.text)),
      probabilities: (a.sets ?? []).map((s) => s.map((m) => m.probability)),
      sizes: a.set_sizes ?? (a.sets ?? []).map((s) => s.length), tokens: a.total_tokens ?? null, text: a.top_text ?? a.text ?? '',
    });
  return rows;
}

/** What an experiment found, in up to three sentences. */
export function besideReading(e: Experiment, c: ExperimentCase): string {
  const said: string[] = [];
  if (e.published?.outputs) said.push(`Published: both modes' outputs are ${e.published.outputs}.`);
  const replay = c.arms.find((a) => a.kind === 'replay');
  if (replay?.modes_identical === true)
    said.push('Replayed as the published program computed it, both modes give the same bits: it fed the model only the last member of each set, so there was never a sibling to see.');
  else if (replay?.modes_identical === false) said.push('Replayed as published, the two modes differ.');
  const x = c.comparison;
  if (x?.identical_sets === true) said.push(`With all members in the context, ${x.a} and ${x.b} select the same sets throughout.`);
  else if (x?.identical_sets === false)
    said.push(`With all members in the context, ${x.a} and ${x.b} part${isNumber(x.first_difference) ? ` at set ${x.first_difference + 1}` : ''}.`);
  return said.join(' ');
}

export function speedReading(e: Experiment, c: ExperimentCase): string {
  const t = c.timing;
  if (!t || !isNumber(t.visible_faster_percent)) return '';
  const [low, high] = t.visible_faster_interval ?? [null, null];
  const range = isNumber(low) && isNumber(high) ? ` (95% interval: ${faster(low)} to ${faster(high)}, ${plural(t.pairs ?? 0, 'pair')})` : '';
  const published = e.published?.visible_faster_percent;
  return `Visible is ${faster(t.visible_faster_percent)}${range}${isNumber(published) ? `; published: ${faster(published)}` : ''}.`;
}
