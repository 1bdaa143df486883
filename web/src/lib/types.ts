// What the server sends and takes.  Made by tools/page-types.py from /openapi.json: not edited by hand.

export interface Message {
  role: string;
  content: string | unknown[];
  [other: string]: unknown;
}

export type Edit = string | { edit: string; vector?: unknown };

export interface EditUse {
  edit: string;
  /** A row that it selects ran. */
  came: boolean;
  /** It changed a number. */
  changed: boolean;
}

export type ArmName = 'isolated' | 'visible' | 'causal' | 'published' | 'published-nocache';

export interface OwnArm {
  name?: string;
  arm?: ArmName;
  edits?: Edit[];
}

export type Given = { id: number; probability: number }[][];

export interface Piece {
  id: number;
  text: string;
  bytes?: number[];
}

export interface Member {
  id: number;
  text: string;
  /** The token's bytes, where they are no UTF-8 of their own (a character may be spread over tokens). */
  bytes?: number[];
  probability: number;
  /** In the context; null when the member never enters it. */
  slot?: number | null;
  position?: number | null;
}

export type StoppedBy = 'steps' | 'eos' | 'context' | 'slots';

export interface StartEvent {
  id: string;
  /** Unix time. */
  created: number;
  model: string;
  version: string;
  prompt: string;
  prompt_bytes?: number[];
  prompt_ids: number[];
  prompt_tokens: Piece[];
  config: Record<string, unknown>;
  warnings?: string[];
  arms: string[];
  /** By arm. */
  edits?: Record<string, string[]>;
  layers: number;
  heads: number;
  vocabulary: number;
  recording: boolean;
}

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
  same_order: boolean;
  same_distribution: boolean;
  kl: (number | null)[];
  tv: number[];
  only: Record<string, number[]>;
}

export interface DoneEvent {
  id: string;
  arms: { arm: string; steps: number; text: string; text_bytes?: number[]; top_text: string; top_text_bytes?: number[]; stopped_by: StoppedBy; edits?: EditUse[] }[];
  timing: { queued_ms: number; first_set_ms: number; total_ms: number };
  first_difference: ({ step: number } & Record<string, unknown>) | null;
  first_order_difference: ({ step: number } & Record<string, unknown>) | null;
  first_distribution_difference: { step: number; max_abs: number } | null;
}

export interface GenerationDocument {
  start: StartEvent;
  sets: SetEvent[];
  attention: AttentionEvent[];
  compare: CompareEvent[];
  done: DoneEvent;
}

export interface GenerateRequest {
  prompt?: string;
  prompt_ids?: number[];
  messages?: Message[];
  tools?: unknown[];
  documents?: unknown[];
  chat_template_kwargs?: Record<string, unknown>;
  enable_thinking?: unknown;
  no_bos?: boolean;
  no_special?: boolean;
  edits?: Edit[];
  arms?: (string | OwnArm)[];
  given?: Given;
  record?: string[];
  attention?: boolean;
  top_keys?: number;
  stream?: boolean;
  [other: string]: unknown;
}

export interface NextAnswer {
  entropy: number;
  tokens: { id: number; text: string; bytes?: number[]; probability: number }[];
  edits?: EditUse[];
  warnings?: string[];
}

export interface NextRequest {
  prompt?: string;
  prompt_ids?: number[];
  messages?: Message[];
  tools?: unknown[];
  documents?: unknown[];
  chat_template_kwargs?: Record<string, unknown>;
  enable_thinking?: unknown;
  no_bos?: boolean;
  no_special?: boolean;
  edits?: Edit[];
  given?: Given;
  top?: number;
  [other: string]: unknown;
}

export interface TokenAnswer {
  probability: number;
  /** 1: the most probable. */
  rank: number;
  logit: number;
}

export interface LensPoint {
  entropy: number;
  /** KL(the last point || this one), in nats. */
  kl: number;
  top: { id: number; text: string; bytes?: number[]; probability: number }[];
  tokens: TokenAnswer[];
}

export interface Attribution {
  logit: number;
  scale: number;
  embed: number;
  attn_out: number[];
  mlp_out: number[];
  /** Of biases at the end. */
  constant: number;
  rest: number;
  bound: number;
  heads?: number[][];
  attn_bias?: number[];
  heads_rest?: number;
  heads_bound?: number;
}

export interface LensRow {
  slot: number;
  id: number;
  text: string;
  bytes?: number[];
  points: LensPoint[];
  attribution?: Attribution;
}

export interface LensAnswer {
  model: string;
  layers: number;
  heads: number;
  prompt_tokens: Piece[];
  warnings?: string[];
  /** Names of taps. */
  points: string[];
  tokens: Piece[];
  attributed: Piece | null;
  minus: Piece | null;
  rows: LensRow[];
}

export interface LensRequest {
  prompt?: string;
  prompt_ids?: number[];
  messages?: Message[];
  tools?: unknown[];
  documents?: unknown[];
  chat_template_kwargs?: Record<string, unknown>;
  enable_thinking?: unknown;
  no_bos?: boolean;
  no_special?: boolean;
  edits?: Edit[];
  rows?: number[];
  top?: number;
  tokens?: (string | number)[];
  attribute?: (string | number)[];
  heads?: boolean;
  [other: string]: unknown;
}

export interface PatchGrid {
  tap: string;
  direction: 'denoise' | 'noise';
  layers: number[] | null;
  heads: number[] | null;
  positions: number[] | null;
}

export interface PatchStart {
  model: string;
  layers: number;
  heads: number;
  clean_tokens: Piece[];
  corrupt_tokens: Piece[];
  answers: Piece[];
  metric: string;
  each: string;
  warnings?: string[];
  grids: PatchGrid[];
  cells: number;
  /** That the grid takes at most. */
  bytes: number;
}

export interface PatchRuns {
  /** The metric of the run. */
  clean: number | null;
  corrupt: number | null;
}

export type PatchCell = (number | null)[];

export interface PatchDone {
  cells: number;
  /** That needed no pass of their own. */
  unchanged: number;
  timing: { queued_ms: number; total_ms: number };
}

export interface PatchDocument {
  start: PatchStart;
  runs: PatchRuns;
  cells: PatchCell[];
  done: PatchDone;
}

export interface PatchRequest {
  clean?: string | number[];
  corrupt?: string | number[];
  no_bos?: boolean;
  no_special?: boolean;
  answers?: (string | number)[];
  taps?: string[];
  each?: string;
  direction?: string;
  metric?: string;
  receivers?: string[];
  free_mlps?: boolean;
  stream?: boolean;
  [other: string]: unknown;
}

export interface GenerationEntry {
  id: string;
  /** Unix time. */
  created: number;
  prompt: string;
  prompt_bytes?: number[];
  arms: string[];
  /** What asked for it; null where that is long. */
  request: GenerateRequest | null;
  steps: number;
  bytes: number;
}

export interface GenerationList {
  generations: GenerationEntry[];
}

export interface SlotToken {
  slot: number;
  /** Id and text are null where a run's files do not say. */
  id: number | null;
  text: string | null;
  bytes?: number[];
  /** The set that it is a member of; each token of the prompt is one by itself. */
  set: number | null;
  position: number;
}

export interface StepEntry {
  step: number;
  rows: number;
  slots: number;
  query_slots: number[];
}

export interface Steps {
  arms: string[];
  arm: string;
  layers: number;
  heads: number;
  first_layer: number;
  first_head: number;
  tokens: SlotToken[];
  steps: StepEntry[];
  unit?: number;
}

export interface RunList {
  runs: ({ id: string } & Record<string, unknown>)[];
}

export interface Run {
  id: string;
  captures: { unit: number; arm: string }[];
  [other: string]: unknown;
}

export interface ReportView {
  view: number;
  kind: string;
  [other: string]: unknown;
}

export type RunComparison = Record<string, unknown>;

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

export interface ModelInfo {
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
  /** What is odd about it, in words. */
  notes: string[];
}

export interface Info {
  version: string;
  model: ModelInfo;
  chat_template: string | null;
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

export interface PresetList {
  presets: Preset[];
}

export interface ErrorBody {
  error: { message: string; type: string; param: string | null; code: string | null };
}
