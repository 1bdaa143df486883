// One request to generate and everything that came back, as it comes.
import { ApiError, ask, errorOf, getJson, getSlice, type Slice } from './api';
import { firstPart } from './parting';
import { eventsOf } from './sse';
import { joined } from './text';
import type { CompareEvent, DoneEvent, GenerateRequest, Member, SetEvent, StartEvent } from './types';

/** How often what has come is shown, in ms: a fast model sends more sets than a screen has frames. */
const SHOW_MS = 40;
const MAX_SLICES = 96;

export type State = 'idle' | 'running' | 'done' | 'stopped' | 'failed';

export class Generation {
  readonly request: GenerateRequest;
  state = $state<State>('idle');
  start = $state.raw<StartEvent | null>(null);
  arms = $state.raw<string[]>([]);
  /** sets[arm][step]; new arrays whenever something was added. */
  sets = $state.raw<Record<string, SetEvent[]>>({});
  compare = $state.raw<CompareEvent[]>([]);
  done = $state.raw<DoneEvent | null>(null);
  error = $state.raw<ApiError | null>(null);

  #abort = new AbortController();
  #sets: Record<string, SetEvent[]> = {};
  #compare: CompareEvent[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #slices = new Map<string, Promise<Slice>>();

  constructor(request: GenerateRequest) {
    this.request = request;
  }

  /** Number of steps that any arm has taken. */
  get steps(): number {
    return Math.max(0, ...this.arms.map((a) => this.sets[a]?.length ?? 0));
  }

  /** The step at which the sets first differ, or null: of the modes where there are two, a replay differs anyway. */
  firstDifference = $derived(firstPart(this.arms, this.sets));

  /** The text through an arm's most probable members, without the prompt. */
  topText(arm: string): string {
    return joined((this.sets[arm] ?? []).map((s) => s.members[0]).filter((m): m is Member => m !== undefined));
  }

  /** Runs to the end of the stream; never throws: what went wrong is in `error`. */
  async run(): Promise<void> {
    this.state = 'running';
    try {
      const answer = await ask('v1/tempo/generate', {
        method: 'POST',
        body: JSON.stringify(this.request),
        signal: this.#abort.signal,
      });
      if (!answer.body) throw new ApiError(answer.status, 'the answer has no body');
      for await (const e of eventsOf(answer.body)) this.#take(e.event, JSON.parse(e.data) as unknown);
      this.#show();
      if (this.state === 'running') throw new ApiError(0, 'The stream ended before the run did. Is tempo serve still running?', 'network');
    } catch (e) {
      this.#show();
      if (this.#abort.signal.aborted) {
        this.state = 'stopped';
        return;
      }
      this.error = e instanceof ApiError ? e : new ApiError(0, networkWords(e), 'network');
      this.state = 'failed';
    }
  }

  stop(): void {
    if (this.state === 'running') this.#abort.abort();
  }

  #take(event: string, data: unknown): void {
    if (event === 'start') {
      this.start = data as StartEvent;
      this.arms = this.start.arms;
      for (const a of this.arms) this.#sets[a] = [];
    } else if (event === 'set') {
      const set = data as SetEvent;
      (this.#sets[set.arm] ??= [])[set.step] = set;
      this.#later();
    } else if (event === 'compare') {
      this.#compare.push(data as CompareEvent);
      this.#later();
    } else if (event === 'done') {
      this.#show();
      this.done = data as DoneEvent;
      this.state = 'done';
    } else if (event === 'error') {
      throw errorOf(data, 200);
    }
  }

  #later(): void {
    this.#timer ??= setTimeout(() => this.#show(), SHOW_MS);
  }

  #show(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.sets = Object.fromEntries(Object.entries(this.#sets).map(([a, s]) => [a, s.slice()]));
    this.compare = this.#compare.slice();
  }

  /** How many steps of an arm the server keeps attention of. */
  async kept(arm: string): Promise<number> {
    const path = `v1/tempo/generations/${encodeURIComponent(this.start?.id ?? '')}/attention/steps`;
    return (await getJson<{ steps: unknown[] }>(`${path}?${new URLSearchParams({ arm })}`)).steps.length;
  }

  /** What the rows of set `step` attended to: read by the step after it. Kept for as long as the run is. */
  attention(arm: string, step: number, layer: number | 'mean', head: number | 'mean'): Promise<Slice> {
    const id = this.start?.id;
    if (!id || !this.start?.recording) return Promise.reject(new ApiError(404, 'This run kept no attention.', 'not_found'));
    const key = `${arm}/${step}/${layer}/${head}`;
    const known = this.#slices.get(key);
    if (known) return known;
    const one = getSlice(`v1/tempo/generations/${encodeURIComponent(id)}`, { arm, step: step + 1, layer, head });
    one.catch(() => this.#slices.delete(key)); // asked again later: the next step may not have been taken yet
    this.#slices.set(key, one);
    if (this.#slices.size > MAX_SLICES) this.#slices.delete(this.#slices.keys().next().value!);
    return one;
  }
}

function networkWords(e: unknown): string {
  if (e instanceof SyntaxError) return `The server sent what is no JSON: ${e.message}`;
  return 'The connection broke off. Is tempo serve still running?';
}
