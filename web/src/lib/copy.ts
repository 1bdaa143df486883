// What a run looks like outside the page: plain text, Markdown, JSON.
import type { Generation } from './generation.svelte';
import { joined, percent, shown } from './text';
import type { Member } from './types';

const plainPrompt = (g: Generation): string => g.request.prompt ?? joined(g.start?.prompt_tokens ?? []);

/** As the program prints it: one member as it is, several as [a/b/c]. */
export function asText(g: Generation): string {
  return g.arms
    .map((arm) => {
      const sets = g.sets[arm] ?? [];
      const text = sets.map((s) => (s.members.length === 1 ? joined(s.members) : `[${s.members.map((m) => joined([m])).join('/')}]`)).join('');
      return `${g.arms.length > 1 ? `${arm}: ` : ''}${plainPrompt(g)}${text}`;
    })
    .join('\n');
}

const cell = (m: Member): string => `\`${shown(m).replaceAll('`', "'").replaceAll('|', '\\|')}\` ${percent(m.probability)}`;

export function asMarkdown(g: Generation): string {
  const out: string[] = [];
  for (const arm of g.arms) {
    const config = g.start?.config ?? {};
    out.push(`**${plainPrompt(g).replaceAll('\n', ' ')}**${g.topText(arm).replaceAll('\n', ' ')}`, '');
    out.push(`*${g.start?.model ?? 'tempo'}, ${arm}, threshold ${String(config.threshold ?? g.request.threshold)}*`, '');
    out.push('| set | members | entropy |', '|---:|---|---:|');
    for (const s of g.sets[arm] ?? [])
      out.push(`| ${s.step + 1} | ${s.members.map(cell).join(', ')}${s.capped ? ` (of ${s.reached})` : ''}${s.eos ? ' (end)' : ''} | ${s.entropy.toFixed(2)} |`);
    out.push('');
  }
  return out.join('\n');
}

/** The document that generate gives with "stream": false, and the request it answers. */
export function asJson(g: Generation): string {
  return JSON.stringify(
    { request: g.request, start: g.start, sets: Object.values(g.sets).flat(), compare: g.compare, done: g.done },
    null,
    2,
  );
}

export async function toClipboard(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement('textarea');
    area.value = text;
    area.className = 'hidden-text';
    document.body.append(area);
    area.select();
    const ok = document.execCommand('copy');
    area.remove();
    return ok;
  }
}
