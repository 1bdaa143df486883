// What the server sends and takes: docs/server.md in types.

export interface Member {
  id: number;
  text: string;
  /** The token's bytes, where they are no UTF-8 of their own (a character may be spread over tokens). */
  bytes?: number[];
  probability: number;
  /** The slot in the context; absent or null when the member never enters it. */
  slot?: number | null;
  position?: number | null;
}

export type StoppedBy = 'steps' | 'eos' | 'context' | 'slots' | 'stop' | 'shutdown';

export interface SetEvent {
  arm: string;
  step: number;
  position: number;
  threshold: number;
  /** Of the distribution that the set was chosen from, in nats. */
  entropy: number;
  reached: number;
  capped: boolean;
  eos: boolean;
  given?: boolean;
  stopped_by: StoppedBy | null;
  members: Member[];
}

export interface StartEvent {
  id: string;
  created: number | string;
  model: string;
  version: string;
  prompt: string;
  prompt_ids: number[];
  prompt_tokens: { id: number; text: string }[];
  config: Record<string, unknown>;
  arms: string[];
  layers: number;
  heads: number;
  vocabulary: number;
  recording: boolean;
}

/** A matrix [layers][heads]. */
export type PerHead = number[][];

export interface AttentionEvent {
  arm: string;
  step: number;
  query_slots: number[];
  slots: number;
  sibling_mass: PerHead;
  entropy: PerHead;
  sink: PerHead;
  rows: { slot: number; keys: { slot: number; weight: number }[] }[];
  closing?: boolean;
}

export interface CompareEvent {
  step: number;
  arms: string[];
  same: boolean;
  kl: number[];
  tv: number[];
  only: Record<string, number[]>;
}

export interface DoneEvent {
  id: string;
  arms: { arm: string; steps: number; text: string; top_text: string; stopped_by: StoppedBy }[];
  first_difference: ({ step: number } & Record<string, unknown>) | null;
  timing: { queued_ms: number; first_set_ms: number; total_ms: number };
}

export interface ErrorBody {
  error: { message: string; type: string; param: string | null; code: string | null };
}

export type Given = { id: number; probability: number }[][];

/** The body of POST /v1/tempo/generate. */
export interface GenerateRequest {
  prompt?: string;
  prompt_ids?: number[];
  messages?: { role: string; content: string }[];
  arms?: string[];
  given?: Given;
  record?: string[];
  attention?: boolean;
  top_keys?: number;
  stream?: boolean;
  [option: string]: unknown;
}

export interface OptionInfo {
  name: string;
  kind: 'integer' | 'real' | 'choice' | 'flag' | 'text';
  low?: number | null;
  high?: number | null;
  low_excluded?: boolean;
  choices?: string[] | null;
  default?: unknown;
  help: string;
}

export interface Info {
  version: string;
  model: {
    name: string;
    path: string;
    architecture: string;
    format: string;
    parameters: number;
    layers: number;
    heads: number;
    kv_heads: number;
    d_model: number;
    vocabulary: number;
    context_length: number;
    kernels: string;
    compute: string;
  };
  chat_template: string;
  limits: { max_steps: number; max_body: number; queue: number; max_recorded_bytes: number };
  options: OptionInfo[];
  study: boolean;
}

export interface Preset {
  id: string;
  title: string;
  question: string;
  request: GenerateRequest;
}

export interface NextAnswer {
  entropy: number;
  tokens: { id: number; text: string; bytes?: number[]; probability: number }[];
}

export interface GenerationEntry {
  id: string;
  created: number | string;
  prompt: string;
  arms: string[];
  /** What asked for it; null where that is long. */
  request: GenerateRequest | null;
  steps: number;
  bytes: number;
}

/** GET /v1/tempo/generations/{id}, and generate's answer without a stream. */
export interface GenerationDocument {
  start: StartEvent;
  sets: SetEvent[];
  attention: AttentionEvent[];
  compare: CompareEvent[];
  done: DoneEvent;
}
