// Whether data is a report that these pictures can draw.
import type { ReportView } from './types.ts';

export const VIEW = 1;

/** The view, or a sentence that says why it is none. */
export function asView(data: unknown): ReportView | string {
  if (typeof data !== 'object' || data === null) return 'There is no report in this page.';
  const v = data as Partial<ReportView>;
  if (v.view !== VIEW) return `This report has version ${String(v.view)}; this page draws version ${VIEW}.`;
  if (v.kind !== 'study' && v.kind !== 'experiment') return `“${String(v.kind)}” is neither a study nor an experiment.`;
  return {
    view: v.view, kind: v.kind, run: v.run ?? {}, report: v.report ?? null,
    prompts: Array.isArray(v.prompts) ? v.prompts : [],
    values: Array.isArray(v.values) ? v.values : [],
    experiments: Array.isArray(v.experiments) ? v.experiments : [],
  };
}
