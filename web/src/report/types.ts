// report.json of a study, results.json of an experiment and rows of the registry, as the server sends them
// (docs/studies.md, docs/experiments.md, docs/registry.md, docs/server.md). Everything may be missing or null: a report
// can be of an interrupted study or of another version.

export type Pair = [number | null, number | null];
export type Verdict = 'identical' | 'equivalent' | 'different' | 'inconclusive' | 'too few prompts' | 'no data';
export type EndpointId = 'A2' | 'B' | 'C' | 'D2';
export const ENDPOINTS: readonly EndpointId[] = ['A2', 'B', 'C', 'D2'];

export interface Model {
  path?: string; name?: string; architecture?: string; format?: string; parameters?: number;
  layers?: number; heads?: number; sha256?: string; cpu?: string; compute?: string;
}

export interface Decision {
  id: string; name?: string; title?: string; metric?: string; unit?: string; kind?: string; verdict: string;
  registered_bound?: number | null; bound?: number | null; bound_from?: string; n?: number; left_out?: number;
  mean?: number | null; sd?: number | null; median?: number | null; ratio_to_bound?: number | null;
  effect?: { from?: string; dz?: number | null; dz_ci?: Pair; g?: number | null; g_ci?: Pair } | null;
  ci90?: Pair | null; ci95?: Pair | null; bca95?: Pair | null;
  equivalent?: { method?: string; p?: number | null; p_holm?: number | null } | null;
  different?: { method?: string; p?: number | null; p_holm?: number | null } | null;
  mde?: number | null; margin?: number | null; alpha?: number; power?: number; family?: number;
  counted?: number; needed?: number | null; different_from?: number | null; equivalent_up_to?: number | null;
  other_measures?: OtherMeasure[]; depends_on_measure?: boolean;
  largest_layer?: { layer?: number; mean?: number | null; verdict?: string };
  first_slot_mass?: number | null; control?: (Decision & { share?: number | null; control?: number | null }) | null;
  position_offset?: number; direction?: string | null;
}
export interface OtherMeasure {
  key: string; measure: string; unit?: string; n?: number; mean?: number | null; bound?: number | null; verdict: string;
}

export interface Contrast {
  n?: number; mean?: number | null; interval?: Pair | null; p?: number | null; p_sign_flip?: number | null; p_wilcoxon?: number | null;
  dz?: number | null; dz_interval?: Pair | null; minimal_detectable?: number | null;
}
export interface StepMetric { steps?: number; prompts?: number; mean?: number | null; interval?: Pair | null }
export interface RankedHead { layer: number; head: number; share: number | null; over_uniform?: number | null; p_bh?: number | null }
export interface Stratum { stratum: string; n: number; A2?: number | null; B?: number | null; C?: number | null; D2?: number | null }
export interface Shift {
  id: number; text: string; isolated: number | null; visible: number | null; prompt?: string; step?: number;
}
export interface Knockout { first_layer: number; last_layer: number; tv_to_isolated: number | null; tv_to_visible: number | null }

export interface Exploratory {
  contrasts?: Record<string, Contrast>;
  step_metrics?: Record<string, StepMetric>;
  unchanged_prompts?: { n?: number; unchanged?: number; interval?: Pair | null } | null;
  heads?: {
    prompts?: number; uniform_share?: number | null; sibling_share?: (number | null)[][];
    p_bh?: (number | null)[][]; ranked?: RankedHead[];
  } | null;
  layers?: { attention_tv?: (number | null)[]; attention_js?: (number | null)[] } | null;
  knockout?: Knockout[];
  strata?: Stratum[];
  shifts?: Shift[];
}

export interface ThresholdReport {
  threshold: number; family?: string; prompts?: number; missing?: number; decisions?: Decision[];
  deterministic?: {
    A1?: { n?: number; holds?: boolean | null; worst?: number | null; tolerance?: number };
    D1?: { n?: number; holds?: boolean | null; unequal?: number | null };
  };
  exploratory?: Exploratory;
}

export interface ModelReport {
  model: Model;
  noise_floor?: {
    prompts?: number; quantile?: number; groups?: Record<string, Record<string, number | null>>;
    floor?: Record<string, number | null>;
  } | null;
  exact?: { prompts?: number; repeats?: number; threads?: number; batch_width?: number } | null;
  thresholds?: ThresholdReport[];
}

export interface TimingPair { prompt?: string; isolated_s: number; visible_s: number; first?: string }
export interface Timing {
  pairs?: number; published_percent?: number | null; raw?: TimingPair[]; ratio?: number | null; ratio_interval?: Pair | null;
  visible_faster_percent?: number | null; visible_faster_interval?: Pair | null;
  p_sign_flip?: number | null; p_wilcoxon?: number | null;
}

export interface StudyReport {
  schema?: number; title?: string; files_changed?: boolean; departures?: string[]; alpha?: number; models: ModelReport[];
  study?: {
    version?: string; hypotheses?: { sha256?: string }; prompts?: { sha256?: string; n?: number }; models?: Model[];
    thresholds?: number[]; steps?: number;
  };
  timing?: (Timing | null)[];
}

/** A study's prompt values: one number a prompt, in the order of the view's `prompts`. */
export interface PromptValues { model: number; threshold: number; values: Record<string, (number | null)[]> }
export interface Prompt { id: string; stratum?: string | null; text?: string | null }

export interface ExperimentArm {
  arm: string; kind?: string; text?: string | null; top_text?: string | null; stopped_by?: string | null; n_steps?: number | null;
  total_tokens?: number | null; mean_entropy?: number | null; shared_positions?: boolean | null; modes_identical?: boolean | null;
  generation_time?: number | null; set_sizes?: number[]; sets?: { id: number; text: string; probability: number | null }[][];
}
export interface ComparisonStep {
  step: number; identical?: boolean; set_changes?: boolean | null; tv?: number | null; js?: number | null; jaccard?: number | null;
  kl_isolated_visible?: number | null; kl_visible_isolated?: number | null;
}
export interface PublishedRun {
  mode: string; steps?: number; total_tokens?: number; tokens_per_step?: [number, number]; set_sizes?: number[];
  sets?: string; text?: string; seconds?: number; data_size?: string;
}
export interface Published {
  model?: string; same_model?: boolean; runs?: PublishedRun[]; visible_faster_percent?: number | null; data_size?: string;
  outputs?: string; remark?: string;
}
export interface ExperimentCase {
  prompt?: string | null; threshold?: number | null; arms: ExperimentArm[];
  comparison?: {
    a?: string; b?: string; identical_sets?: boolean | null; first_difference?: number | null; set_changes?: number | null;
    steps?: ComparisonStep[];
  } | null;
  timing?: {
    pairs?: number; isolated_over_visible?: number | null; interval?: Pair | null; visible_faster_percent?: number | null;
    visible_faster_interval?: Pair | null; p?: number | null; seconds?: Record<string, number[]>;
  } | null;
}
export interface Experiment {
  run?: string | null; name?: string | null; description?: string | null; goal?: string | null; regime?: string | null;
  model?: string | null; notes?: unknown[]; published?: Published | null; cases: ExperimentCase[]; cases_left_out?: number;
}

/** GET /v1/tempo/runs/{id}/report, and what stands in a report.html. */
export interface ReportView {
  view: number; kind: 'study' | 'experiment';
  run: {
    id?: string | null; name?: string | null; created?: string | null; status?: string | null; version?: string | null;
    compiler?: string | null; cpu?: string | null; kernels?: string | null; compute?: string | null; threads?: number | null;
  };
  report: StudyReport | null; prompts: Prompt[]; values: PromptValues[]; experiments: Experiment[];
}

export interface RunRow {
  id: string; kind: string; name?: string; created?: string; status?: string; dir?: string; model?: string | null;
  models?: number; units?: number; headline?: { id: string; verdicts: string[] }[];
}
