// The member that is being looked at, and what it attends to.
import { keysOf, places, type Key } from './arcs';
import { ApiError } from './api';
import { keptWords, whole } from './text';
import type { Generation } from './generation.svelte';
import type { Member, SetEvent } from './types';

export interface At {
  /** Index into the run's arms. */
  arm: number;
  step: number;
  row: number;
}

/** A pointer that only passes over members asks for nothing. */
const PAUSE_MS = 60;

export class Inspection {
  at = $state.raw<At | null>(null);
  layer = $state<number | 'mean'>('mean');
  head = $state<number | 'mean'>('mean');
  keys = $state.raw<Key[]>([]);
  /** Why there are no keys, or ''. */
  note = $state('');
  /** The server has the run's attention no longer. */
  gone = $state(false);

  #timer: ReturnType<typeof setTimeout> | undefined;
  #round = 0;

  setOf(g: Generation): SetEvent | null {
    return (this.at && g.sets[g.arms[this.at.arm] ?? '']?.[this.at.step]) ?? null;
  }

  memberOf(g: Generation): Member | null {
    return (this.at && this.setOf(g)?.members[this.at.row]) ?? null;
  }

  /** Whether a step has read the set: the next one, or after the last set the closing pass of a run that was not cut short. */
  wasRead(g: Generation): boolean {
    const sets = g.sets[g.arms[this.at?.arm ?? 0] ?? ''] ?? [];
    return g.state === 'done' || (this.at !== null && this.at.step + 1 < sets.length);
  }

  /** Fetches what the member at `at` attended to; only the latest call has an effect. */
  refresh(g: Generation): void {
    clearTimeout(this.#timer);
    const round = ++this.#round;
    const at = this.at;
    const arm = g.arms[at?.arm ?? 0];
    const member = this.memberOf(g);
    this.gone = false;
    if (!at || !arm || !member || !g.start) {
      this.keys = [];
      this.note = '';
      return;
    }
    if (typeof member.slot !== 'number' || member.slot < 0) {
      this.keys = [];
      this.note = 'This member never entered the context, so it read nothing.';
      return;
    }
    if (!g.start.recording) {
      this.keys = [];
      this.note = 'This run kept no attention: switch on “Keep attention” and run again.';
      return;
    }
    if (!this.wasRead(g)) {
      this.keys = [];
      this.note = g.state === 'running' ? 'The next step reads it; it has not been taken yet.' : 'No step has read this set.';
      return;
    }
    const slot = member.slot;
    const start = g.start;
    this.#timer = setTimeout(() => {
      g.attention(arm, at.step, this.layer, this.head).then(
        (slice) => {
          if (round !== this.#round) return;
          this.keys = keysOf(slice, slot, at.step, places(start, g.sets[arm] ?? []));
          this.note = this.keys.length ? '' : 'Nothing was kept for this member.';
        },
        (e: unknown) => {
          if (round !== this.#round) return;
          this.keys = [];
          this.note = whole(e instanceof Error ? e.message : String(e));
          if (!(e instanceof ApiError && e.status === 404)) return;
          const said = this.note;
          g.kept(arm).then(
            (n) => {
              if (round === this.#round) this.note = `${said} ${keptWords(n, g.sets[arm]?.length ?? 0)}`;
            },
            (why: unknown) => {
              // the server’s reason stands alone
              if (round === this.#round) this.gone = why instanceof ApiError && why.status === 404;
            },
          );
        },
      );
    }, PAUSE_MS);
  }
}
