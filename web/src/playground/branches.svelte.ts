// The runs of this visit as trees: a branch continues its parent from one member alone.
import { Generation } from '../lib/generation.svelte';
import type { At } from '../lib/inspect.svelte';
import { paramsOf } from '../lib/link';
import { shown } from '../lib/text';
import type { GenerateRequest, Given } from '../lib/types';

/** Roots that are kept; the oldest goes with all of its branches. */
const MAX_ROOTS = 12;

export class Node {
  children = $state.raw<Node[]>([]);
  /** `step` and `label`: what the branch was taken from, the step and the member's text; for a root null and its prompt. */
  constructor(
    readonly id: number,
    readonly parent: Node | null,
    readonly gen: Generation,
    readonly step: number | null,
    readonly label: string,
    readonly hash: string,
  ) {}
}

/** The sets that lead to a member, and the member alone: what a branch is given. */
export function givenFor(gen: Generation, at: At): Given {
  const sets = gen.sets[gen.arms[at.arm]!] ?? [];
  const path = sets.slice(0, at.step).map((s) => s.members.map(({ id, probability }) => ({ id, probability })));
  return [...path, [{ id: sets[at.step]!.members[at.row]!.id, probability: 1 }]];
}

export class Branches {
  roots = $state.raw<Node[]>([]);
  now = $state.raw<Node | null>(null);
  #ids = 0;

  add(request: GenerateRequest, parent: Node | null, step: number | null, label: string): Node {
    const node = new Node(++this.#ids, parent, new Generation(request), step, label, `#/play?${paramsOf(request)}`);
    if (parent) parent.children = [...parent.children, node];
    else this.roots = [...this.roots, node].slice(-MAX_ROOTS);
    this.now = node;
    return node;
  }

  /** A branch from a member of the run that is shown. */
  branch(at: At): Node {
    const parent = this.now!;
    const member = parent.gen.sets[parent.gen.arms[at.arm]!]![at.step]!.members[at.row]!;
    return this.add({ ...parent.gen.request, given: givenFor(parent.gen, at) }, parent, at.step, shown(member));
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
