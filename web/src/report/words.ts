// What the report says in words: the registered questions in plain language, verdicts, and one-sentence readings of
// pictures. Numbers in sentences come from the report; nothing here decides anything that the report has not decided.
import { faster, integer, interval, isNumber, number, percent, plain, plural, pValue } from './numbers.ts';
import type { Decision, EndpointId, ModelReport, ThresholdReport, Timing } from './types.ts';

export interface Endpoint {
  id: string;
  letter: string;
  short: string;
  question: string;
  measured: string;
  unit: string;
  axis: string;
}

/** The endpoints of experiments/hypotheses.yaml as a first-time reader would ask about them. */
export const ENDPOINT_WORDS: Record<string, Endpoint> = {
  A1: {
    id: 'A1', letter: 'A', short: 'Attention, first layer',
    question: 'In the first layer, does seeing siblings only scale down all other attention?',
    measured: 'the largest departure from exact rescaling, in attention weight',
    unit: 'attention weight', axis: 'largest departure (attention weight)',
  },
  A2: {
    id: 'A2', letter: 'A', short: 'Attention, all layers',
    question: 'Apart from what siblings take, does a token attend to the same places in both modes?',
    measured: 'total variation between the attention of the two modes above the first layer, siblings left out: the share of attention that would have to move',
    unit: 'share of attention', axis: 'difference of attention',
  },
  B: {
    id: 'B', letter: 'B', short: 'Predictions',
    question: 'Given the same tokens so far, do both modes predict the next token alike?',
    measured: 'total variation: the share of probability that would have to move to turn one prediction into the other',
    unit: 'probability', axis: 'total variation (probability)',
  },
  C: {
    id: 'C', letter: 'C', short: 'Attention on siblings',
    question: 'Does a token that may see its siblings ignore them?',
    measured: 'the share of attention that goes to siblings, the first slot left out',
    unit: 'share of attention', axis: 'attention on siblings (share)',
  },
  D1: {
    id: 'D1', letter: 'D', short: 'One position',
    question: 'Do all members of a set really stand at one position?',
    measured: 'sets whose members RoPE rotated by unequal angles',
    unit: 'sets', axis: 'sets',
  },
  D2: {
    id: 'D2', letter: 'D', short: 'What the position does',
    question: 'Does it matter, for how siblings disturb each other, that they share a position?',
    measured: 'the change of B when siblings get positions of their own; 0 if the position does not matter',
    unit: 'probability', axis: 'change of total variation (probability)',
  },
};

export type Tone = 'same' | 'differs' | 'open' | 'none';

export interface VerdictWords {
  tone: Tone;
  word: string;
  mark: string;
  meaning: string;
}

/** A verdict's name, its mark (never colour alone) and what the word means for any endpoint. */
export function verdictWords(verdict: string | undefined): VerdictWords {
  switch (verdict) {
    case 'identical':
      return { tone: 'same', word: 'identical', mark: '=', meaning: 'equal to the last bit in every prompt' };
    case 'equivalent':
      return { tone: 'same', word: 'equivalent', mark: '≈', meaning: 'shown to lie within the bound that was fixed beforehand' };
    case 'different':
      return { tone: 'differs', word: 'different', mark: '≠', meaning: 'shown to lie beyond the bound that was fixed beforehand' };
    case 'holds':
      return { tone: 'same', word: 'holds', mark: '✓', meaning: 'true in every prompt, within the stated tolerance' };
    case 'fails':
      return { tone: 'differs', word: 'does not hold', mark: '✕', meaning: 'at least one prompt contradicts it' };
    case 'inconclusive':
      return { tone: 'open', word: 'inconclusive', mark: '?', meaning: 'neither was shown; more prompts would be needed' };
    case 'too few prompts':
      return { tone: 'open', word: 'too few prompts', mark: '…', meaning: 'too few values for a verdict whose errors are controlled' };
    default:
      return { tone: 'none', word: 'no data', mark: '·', meaning: 'fewer than two prompts have a value' };
  }
}

/** The amount of an endpoint, with what it is an amount of. */
export function amount(id: string, x: number | null | undefined, unit?: string): string {
  if (!isNumber(x)) return 'an unknown amount';
  if (unit === 'nat') return `${plain(x)} nat`;
  if (id === 'A2' || id === 'C') return `${percent(x)} of the attention`;
  return `${percent(x)} of probability`;
}

/** The answer to an endpoint's question in one sentence. */
export function answer(d: Decision): string {
  const mean = amount(d.id, d.mean, d.unit);
  const bound = amount(d.id, d.bound, d.unit);
  const size = amount(d.id, isNumber(d.mean) ? Math.abs(d.mean) : null, d.unit);
  switch (d.verdict) {
    case 'identical':
      return 'Yes, exactly: every distribution is equal to the last bit.';
    case 'no data':
      return 'No answer: too few prompts have a step of the kind that this asks about.';
    case 'too few prompts':
      return `No answer yet: ${mean} on average, of ${tooFew(d)}.${isNumber(d.needed) ? ` With values like these ${plural(d.needed, 'prompt')} would do.` : ''}`;
  }
  const id = d.id as EndpointId;
  if (d.verdict === 'equivalent')
    return {
      A2: `Yes: on average attention shifts by ${mean}, shown to be less than the bound of ${bound}.`,
      B: `Yes: on average the predictions are ${mean} apart, shown to be less than the bound of ${bound}.`,
      C: `Yes: siblings get ${mean} on average, shown to be less than the bound of ${bound}.`,
      D2: `No: it changes predictions by ${size} on average, shown to be within ±${bound}.`,
    }[id] ?? `Within the bound: ${mean}.`;
  if (d.verdict === 'different')
    return {
      A2: `No: on average attention shifts by ${mean}, shown to be more than the bound of ${bound}.`,
      B: `No: on average the predictions are ${mean} apart, shown to be more than the bound of ${bound}.`,
      C: `No: siblings get ${mean} on average, shown to be more than the bound of ${bound}.`,
      D2: isNumber(d.mean) && d.mean < 0
        ? `Yes: with positions of their own siblings disturb each other less, by ${size}. Sharing one amplifies it.`
        : `Yes: with positions of their own siblings disturb each other more, by ${mean}. Sharing one dampens it.`,
    }[id] ?? `Beyond the bound: ${mean}.`;
  return {
    A2: `Not settled: attention shifts by ${mean} on average, too uncertain to place against the bound of ${bound}.`,
    B: `Not settled: the predictions are ${mean} apart on average, too uncertain to place against the bound of ${bound}.`,
    C: `Not settled: siblings get ${mean} on average, too uncertain to place against the bound of ${bound}.`,
    D2: `Not settled: the change is ${mean} on average, neither shown to differ from 0 nor to stay within ±${bound}.`,
  }[id] ?? `Not settled: ${mean} on average.`;
}

/** Why there are too few. */
function tooFew(d: Decision): string {
  const n = d.n ?? 0;
  if (n < 20) return `${plural(n, 'prompt')}, fewer than 20`;
  return isNumber(d.counted) && d.counted < n ? `${plural(n, 'prompt')}, of which only ${integer(d.counted)} are not next to 0` : `${plural(n, 'prompt')} with equal values`;
}

/** What stands beside a verdict: where, by which measure and at which D it holds. */
export function notes(d: Decision): string[] {
  const list: string[] = [];
  if (isNumber(d.position_offset))
    list.push(`This is of D = ${plain(d.position_offset)}: siblings ${plain(d.position_offset)} apart, and nearer to all that follows. Another D may give another verdict. ${
      d.direction === 'sharing dampens' ? 'Above 0: sharing a position dampens what visibility does.' : d.direction === 'sharing amplifies' ? 'Below 0: sharing a position amplifies what visibility does.' : 'Which way it goes is not shown.'}`);
  if (isNumber(d.largest_layer?.layer)) list.push(`Largest in layer ${d.largest_layer.layer}: ${amount(d.id, d.largest_layer.mean, d.unit)} (${d.largest_layer.verdict ?? 'no data'}).`);
  if (isNumber(d.first_slot_mass)) list.push(`The first slot, which this leaves out, takes ${percent(d.first_slot_mass)} of all attention.`);
  const c = d.control;
  if (c && isNumber(c.mean))
    list.push(`Siblings exchanged for strangers of equal rank: ${c.verdict}. Own siblings get ${percent(c.share)}, strangers ${percent(c.control)}; the difference is ${number(c.mean)} (95% interval ${interval(c.ci95)}).`);
  if (d.other_measures?.length)
    list.push(`${d.depends_on_measure ? 'The verdict depends on the measure' : 'The same by other measures'}: ${d.other_measures.map((m) => `${m.measure} ${number(m.mean)}${m.unit === 'nat' ? ' nat' : ''} against ${plain(m.bound)}, ${m.verdict}`).join('; ')}.`);
  return list;
}

/** Where nothing was shown: what a study like this one would show about four times in five, on the side where the mean lies. */
export function detectable(d: Decision): string {
  if (d.verdict !== 'inconclusive' || !isNumber(d.margin)) return '';
  const within = isNumber(d.equivalent_up_to)
    ? `equivalent where the true mean is at most ${plain(d.equivalent_up_to)}${d.kind === 'signed' ? ' from 0' : ''}`
    : 'equivalent not even where the true mean is 0';
  const beyond = isNumber(d.different_from) ? `different where it is at least ${plain(d.different_from)}${d.kind === 'signed' ? ' from 0' : ''}` : '';
  const said = d.kind === 'signed' ? [within, beyond] : isNumber(d.mean) && isNumber(d.bound) && d.mean > d.bound ? [beyond] : [within];
  return ` A study of this size finds it, about four times in five, ${said.filter(Boolean).join('; ')}.`;
}

/** What the card says of A1 and D1, which hold or do not. */
export function deterministicAnswer(id: 'A1' | 'D1', t: ThresholdReport): { verdict: string; answer: string } {
  if (id === 'A1') {
    const a = t.deterministic?.A1;
    if (!a || !isNumber(a.n) || a.n === 0 || typeof a.holds !== 'boolean')
      return { verdict: 'no data', answer: 'No prompt read a set of two members or more.' };
    return a.holds
      ? { verdict: 'holds', answer: `Yes, in ${plural(a.n, 'prompt')}: the largest departure is ${number(a.worst)}, the tolerance ${number(a.tolerance)}.` }
      : { verdict: 'fails', answer: `No: a departure of ${number(a.worst)} is more than the tolerance of ${number(a.tolerance)}.` };
  }
  const d = t.deterministic?.D1;
  if (!d || !isNumber(d.n) || d.n === 0 || typeof d.holds !== 'boolean')
    return { verdict: 'no data', answer: 'No prompt has a set whose positions were recorded.' };
  return d.holds
    ? { verdict: 'holds', answer: `Yes, in ${plural(d.n, 'prompt')}: positions were read back from the rotation itself, and no set has two.` }
    : { verdict: 'fails', answer: `No: in ${plural(d.unequal ?? 0, 'prompt')} a set has unequal positions.` };
}

/** The whole study in two sentences, for the top of the report. */
export function headline(model: ModelReport, t: ThresholdReport): string {
  const of = (id: string) => t.decisions?.find((d) => d.id === id);
  const b = of('B');
  const c = of('C');
  const said: string[] = [];
  const name = model.model.name ?? 'this model';
  if (!b || b.verdict === 'no data' || b.verdict === 'too few prompts') said.push(`For ${name} there is no answer: too few prompts${b?.verdict === 'too few prompts' ? '' : ' have parallel sets'}.`);
  else if (b.verdict === 'identical') said.push(`On ${name} both modes compute exactly the same predictions.`);
  else if (b.verdict === 'equivalent') said.push(`On ${name} both modes predict alike: ${amount('B', b.mean)} apart, within the bound.`);
  else if (b.verdict === 'different')
    said.push(`On ${name} isolated and visible sets are not the same computation: predictions are ${amount('B', b.mean)} apart on average, more than the bound of ${percent(b.bound)}.`);
  else said.push(`On ${name} it is not settled whether both modes predict alike: ${amount('B', b.mean)} apart on average.`);
  if (c?.verdict === 'different') said.push(`Tokens that may see their siblings give them ${amount('C', c.mean)}.`);
  else if (c?.verdict === 'equivalent') said.push(`Tokens that may see their siblings hardly do: ${amount('C', c.mean)}.`);
  return said.join(' ');
}

export function distributionReading(d: Decision): string {
  const place = isNumber(d.median) ? `half of the prompts lie above ${number(d.median)}` : 'there is no median';
  const bound = isNumber(d.bound) ? plain(d.bound) : null;
  const sign = d.id === 'D2' ? '±' : '';
  return bound ? `Mean ${number(d.mean)}; ${place}; the bound is ${sign}${bound}.` : `Mean ${number(d.mean)}; ${place}.`;
}

export function timingReading(t: Timing): string {
  const pct = t.visible_faster_percent;
  const ci = t.visible_faster_interval;
  if (!isNumber(pct) || !ci || !isNumber(ci[0]) || !isNumber(ci[1])) return 'No pair of runs was timed.';
  const straddles = ci[0] <= 0 && ci[1] >= 0;
  const said = straddles
    ? `These ${plural(t.pairs ?? 0, 'pair')} cannot tell the two modes' speeds apart: visible is ${faster(pct)} on average, 95% interval ${interval(ci, (x) => faster(x))}.`
    : `Visible is ${faster(pct)} (95% interval ${interval(ci, (x) => faster(x))}).`;
  if (!isNumber(t.published_percent)) return said;
  const p = t.published_percent;
  const inside = p >= ci[0] && p <= ci[1];
  return `${said} The published figure, ${faster(p)}, ${inside ? 'lies inside' : 'lies outside'} this interval; it came from runs in which isolated always went first.`;
}

export function headsReading(t: ThresholdReport): string {
  const h = t.exploratory?.heads;
  const first = h?.ranked?.[0];
  if (!h || !first || !isNumber(first.share)) return 'No head was measured.';
  const all = (h.p_bh ?? []).flat();
  const found = all.filter((p) => isNumber(p) && p < 0.05).length;
  const uniform = isNumber(h.uniform_share) ? ` Spread evenly, siblings would get ${percent(h.uniform_share)}.` : '';
  return `Head ${first.head} of layer ${first.layer} looks at siblings most: ${percent(first.share)} of its attention.${uniform} ${integer(found)} of ${plural(all.length, 'head')} differ from an even spread (5% false discovery rate).`;
}

export function familyNote(d: Decision): string {
  const p = (x: { p_holm?: number | null } | null | undefined) => pValue(x?.p_holm);
  return `equivalent: p ${p(d.equivalent)}; different: p ${p(d.different)} (Holm over ${d.family ?? 4} tests)`;
}

export const CONTRAST_WORDS: Record<string, string> = {
  c_minus_uniform: 'than an even spread',
  c_minus_nearest: 'than on the nearest earlier slots',
  c_minus_exchanged: 'than on strangers of equal rank',
  d_unique: 'D2 with a position each',
};

export const STEP_WORDS: Record<string, string> = {
  tv: 'total variation', js: 'Jensen-Shannon divergence (nat)', kl_isolated_visible: 'KL, isolated to visible (nat)',
  kl_visible_isolated: 'KL, visible to isolated (nat)', max_dlogp: 'largest change of log probability (nat)',
  jaccard: 'Jaccard index of the sets', set_changes: 'share of steps with another set', top_1: 'same most probable token',
  top_5: 'overlap of the 5 most probable', top_10: 'overlap of the 10 most probable', top_20: 'overlap of the 20 most probable',
  row_tv: 'total variation, row by row', row_kl: 'KL, row by row (nat)', row_cosine: 'cosine of centred logits',
  attention_tv: 'attention moved, above the first layer', attention_js: 'divergence of attention, above the first layer (nat)',
  attention_l1: 'attention moved (L1)', sibling_mass: 'of all attention, on siblings', first_slot_mass: 'of all attention, on the first slot', sibling_share: 'attention on siblings',
  nearest_share: 'attention on the nearest earlier slots', uniform_share: 'an even spread would give siblings',
  tv_offset: 'total variation, positions of their own', position_tv_isolated: 'what the position does, isolated',
  position_tv_visible: 'what the position does, visible',
};
