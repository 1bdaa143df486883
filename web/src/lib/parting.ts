// Where the arms of a run part: each is measured against the first, and the modes apart from the replays.
import { isReplay } from './colors.ts';
import { spoken } from './text.ts';
import type { Member, SetEvent } from './types.ts';

type Sets = Record<string, readonly SetEvent[]>;

/** One arm beside the first one, at the steps that both took, and those that one took when the other had stopped: there they differ. */
export interface Parting {
  arm: string;
  base: string;
  /** The first step whose sets differ, or null. */
  first: number | null;
  /** The arm that had stopped by then, or null. */
  stopped: string | null;
  differing: number;
  compared: number;
  /** The members at `first` that the other does not have. */
  only: Member[];
  onlyBase: Member[];
}

const without = (a: SetEvent, b: SetEvent): Member[] => {
  const ids = new Set(b.members.map((m) => m.id));
  return a.members.filter((m) => !ids.has(m.id));
};

/** Will no set come any more?  While a run goes on, an arm may be behind the others. */
const hasStopped = (sets: readonly SetEvent[]): boolean => sets.at(-1)?.stopped_by != null;

function part(arm: string, base: string, a: readonly SetEvent[], b: readonly SetEvent[]): Parting {
  const p: Parting = { arm, base, first: null, stopped: null, differing: 0, compared: 0, only: [], onlyBase: [] };
  for (let step = 0; step < Math.max(a.length, b.length); step++) {
    const [mine, other] = [a[step], b[step]];
    if ((!mine && !hasStopped(a)) || (!other && !hasStopped(b))) break;
    p.compared++;
    const [only, onlyBase] = mine && other ? [without(mine, other), without(other, mine)] : [[], []];
    if (mine && other && !only.length && !onlyBase.length) continue;
    p.differing++;
    if (p.first === null) Object.assign(p, { first: step, stopped: !mine ? arm : !other ? base : null, only, onlyBase });
  }
  return p;
}

export function partings(arms: readonly string[], sets: Sets): Parting[] {
  const base = arms[0] ?? '';
  return arms.slice(1).map((arm) => part(arm, base, sets[arm] ?? [], sets[base] ?? []));
}

/** The arms whose first difference is the run's: a replay computes something else, so it counts only without two modes. */
export function counted(arms: readonly string[]): readonly string[] {
  const modes = arms.filter((a) => !isReplay(a));
  return modes.length >= 2 ? modes : arms;
}

export function firstPart(arms: readonly string[], sets: Sets): number | null {
  const firsts = partings(counted(arms), sets).flatMap((p) => p.first ?? []);
  return firsts.length ? Math.min(...firsts) : null;
}

export const named = (arm: string): string => (isReplay(arm) && arm !== 'replay' ? `${arm} (replay)` : arm);

const SOME = 4;
const quoted = (members: readonly Member[]): string =>
  members.slice(0, SOME).map((m) => `“${spoken(m)}”`).join(', ') + (members.length > SOME ? ` and ${members.length - SOME} more` : '');

/** A sentence: "visible parts at set 4: only visible has “x”, only isolated has “a”; 3 of 10 sets differ", or "...: isolated has stopped,
 * visible goes on; ...". Sets count from 1. */
export function sentence(p: Parting): string {
  if (p.first === null) return `${named(p.arm)} has the sets of ${named(p.base)} in all ${p.compared}`;
  const has = p.stopped !== null ? `${p.stopped} has stopped, ${p.stopped === p.arm ? p.base : p.arm} goes on` : [
    ...(p.only.length ? [`only ${p.arm} has ${quoted(p.only)}`] : []),
    ...(p.onlyBase.length ? [`only ${p.base} has ${quoted(p.onlyBase)}`] : []),
  ].join(', ');
  return `${named(p.arm)} parts at set ${p.first + 1}: ${has}; ${p.differing} of ${p.compared} sets differ`;
}
