// One grid of patched runs while it fills.
import { ApiError, ask, errorOf } from '../lib/api.ts';
import { eventsOf } from '../lib/sse.ts';
import type { PatchCell, PatchDone, PatchRequest, PatchRuns, PatchStart } from '../lib/types.ts';

/** How often what has come is shown, in ms. */
const SHOW_MS = 60;

export type State = 'running' | 'done' | 'stopped' | 'failed';

export class Patching {
  readonly request: PatchRequest;
  state = $state<State>('running');
  start = $state.raw<PatchStart | null>(null);
  runs = $state.raw<PatchRuns | null>(null);
  done = $state.raw<PatchDone | null>(null);
  error = $state.raw<ApiError | null>(null);
  left = $state(0);
  /** Of each grid, in its order [layers, heads, positions]; NaN: not there. New arrays whenever something came. */
  values = $state.raw<Float64Array[]>([]);
  #values: Float64Array[] = [];
  #abort = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(request: PatchRequest) {
    this.request = request;
  }

  /** Runs to the end of the stream; never throws: what went wrong is in `error`. */
  async run(): Promise<void> {
    try {
      const answer = await ask('v1/tempo/patch', { method: 'POST', body: JSON.stringify(this.request), signal: this.#abort.signal });
      if (!answer.body) throw new ApiError(answer.status, 'the answer has no body');
      for await (const e of eventsOf(answer.body)) this.#take(e.event, JSON.parse(e.data) as unknown);
      if (this.state === 'running') throw new ApiError(0, 'The stream ended before the grid did. Is tempo serve still running?', 'network');
    } catch (e) {
      if (this.#abort.signal.aborted) this.state = 'stopped';
      else {
        this.error = e instanceof ApiError ? e : new ApiError(0, 'The connection broke off. Is tempo serve still running?', 'network');
        this.state = 'failed';
      }
    }
    this.#show();
  }

  stop(): void {
    if (this.state === 'running') this.#abort.abort();
  }

  /** On the scale on which the corrupt run is 0 and the clean one 1. */
  share(value: number): number {
    const [clean, corrupt] = [this.runs?.clean ?? NaN, this.runs?.corrupt ?? NaN];
    return clean === corrupt ? NaN : (value - corrupt) / (clean - corrupt);
  }

  #take(event: string, data: unknown): void {
    if (event === 'start') {
      this.start = data as PatchStart;
      this.left = this.start.cells;
      this.#values = this.start.grids.map((g) => new Float64Array((g.layers?.length ?? 1) * (g.heads?.length ?? 1) * (g.positions?.length ?? 1)).fill(NaN));
      this.#show();
    } else if (event === 'runs') this.runs = data as PatchRuns;
    else if (event === 'cells') {
      const { cells, left } = data as { cells: PatchCell[]; left: number };
      for (const [grid, place, value] of cells) if (typeof value === 'number') this.#values[grid!]![place!] = value;
      this.left = left;
      this.#timer ??= setTimeout(() => this.#show(), SHOW_MS);
    } else if (event === 'done') {
      this.done = data as PatchDone;
      this.state = 'done';
    } else if (event === 'error') throw errorOf(data, 200);
  }

  #show(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.values = this.#values.map((v) => v.slice());
  }
}
