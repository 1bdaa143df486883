// The members that a branch goes through: where one was taken alone, and how probable the model found it there.
import type { Given } from './types';

export interface Choice {
  step: number;
  /** The model's, given the sets before it. */
  probability: number;
}

/** How probable the choices up to a step are together, or null when there are none. */
export function pathProbability(choices: readonly Choice[], step = Infinity): number | null {
  const passed = choices.filter((c) => c.step <= step);
  return passed.length ? passed.reduce((p, c) => p * c.probability, 1) : null;
}

/** For the address: the steps at which one was taken. Their probabilities stand with the given sets. */
export const choicesText = (choices: readonly Choice[]): string => choices.map((c) => c.step).join(',');

/** The other way round; steps at which no single member is given are passed over. */
export function choicesOf(text: string | null, given: Given): Choice[] {
  const steps = (text ?? '').split(',').filter((s) => /^\d+$/.test(s)).map(Number);
  return [...new Set(steps)].sort((a, b) => a - b).flatMap((step) => {
    const set = given[step];
    return set?.length === 1 ? [{ step, probability: set[0]!.probability }] : [];
  });
}
