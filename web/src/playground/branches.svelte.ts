// The runs of this visit as trees: a branch continues its parent from one member alone.
import { choicesText, type Choice } from '../lib/choices';
import { Generation } from '../lib/generation.svelte';
import type { At } from '../lib/inspect.svelte';
import { paramsOf } from '../lib/link';
import { shown } from '../lib/text';
import type { GenerateRequest, Given } from '../lib/types';

/** Roots that are kept; the oldest goes with all of its branches. */
const MAX_ROOTS = 12;

export class Node {
  children = $state.raw<Node[]>([]);
  /** `step` and `label`: what the branch was taken from, the step and the member's text; for a root null and its prompt.
      `choices`: all members that were taken alone up to here. */
  constructor(
    readonly id: number,
    readonly parent: Node | null,
    readonly gen: Generation,
    readonly step: number | null,
    readonly label: string,
    readonly hash: string,
    readonly choices: readonly Choice[],
  ) {}
}

/** The sets that lead to a member, and the member alone: what a branch is given. Alone it weighs everything, whatever its
    probability is; so it keeps the one that the model gave it. */
export function givenFor(gen: Generation, at: At): Given {
  const sets = gen.sets[gen.arms[at.arm]!] ?? [];
  const path = sets.slice(0, at.step).map((s) => s.members.map(({ id, probability }) => ({ id, probability })));
  const { id, probability } = sets[at.step]!.members[at.row]!;
  return [...path, [{ id, probability }]];
}

export class Branches {
  roots = $state.raw<Node[]>([]);
  now = $state.raw<Node | null>(null);
  #ids = 0;

  add(request: GenerateRequest, parent: Node | null, step: number | null, label: string, choices: readonly Choice[] = []): Node {
    const params = paramsOf(request);
    if (choices.length) params.set('chosen', choicesText(choices));
    const node = new Node(++this.#ids, parent, new Generation(request), step, label, `#/play?${params}`, choices);
    if (parent) parent.children = [...parent.children, node];
    else this.roots = [...this.roots, node].slice(-MAX_ROOTS);
    this.now = node;
    return node;
  }

  /** A branch from a member of the run that is shown. */
  branch(at: At): Node {
    const parent = this.now!;
    const member = parent.gen.sets[parent.gen.arms[at.arm]!]![at.step]!.members[at.row]!;
    // what was taken further on is not gone through any more
    const before = parent.choices.filter((c) => c.step < at.step);
    const choices = [...before, { step: at.step, probability: member.probability }];
    return this.add({ ...parent.gen.request, given: givenFor(parent.gen, at) }, parent, at.step, shown(member), choices);
  }

  find(hash: string): Node | null {
    const look = (nodes: Node[]): Node | null => {
      for (const n of nodes) {
        if (n.hash === hash) return n;
        const below = look(n.children);
        if (below) return below;
      }
      return null;
    };
    return look([...this.roots].reverse());
  }

  /** From the root to the run that is shown. */
  get path(): Node[] {
    const path: Node[] = [];
    for (let n = this.now; n; n = n.parent) path.unshift(n);
    return path;
  }
}
