import type { Completion } from "../../types";

/** Whether every prompt's samples are equal, where there are several: most likely they were not sampled. */
export function areEqualSamples(groups: readonly (readonly Completion[])[]): boolean {
  const several = groups.filter((group) => group.length > 1);
  return several.length > 0 && several.every(([first, ...others]) => others.every(({ text }) => text === first!.text));
}

/** The warning: such a group teaches nothing, because no completion is better than another. */
export const equalSamples = (groups: readonly (readonly Completion[])[]): string =>
  `expected different samples at a temperature above 0, got ${Math.max(...groups.map(({ length }) => length))} equal completions of every prompt. ` +
  "The server takes settings that a request lacks from the checkpoint's generation_config.json, such as top_k: 1, or " +
  "no do_sample. vLLM: start it with --generation-config vllm; transformers serve: pass " +
  'extraBody: { generation_config: \'{"do_sample": true, "top_k": 0}\' }';
