import { BackendError } from "../../errors";
import type { Completion } from "../../types";

/**
 * Completions with the log-probs in the place that their temperature gives them: the server has one for each token,
 * after the temperature.
 * @throws BackendError for a completion without token ids, or without as many log-probs
 */
export function takenOver(completions: readonly Completion[], temperature: number): readonly Completion[] {
  return completions.map(({ tokenIds, logProbs, ...rest }) => {
    if (!tokenIds || !logProbs || tokenIds.length !== logProbs.length)
      throw new BackendError(
        `vLLM: expected token_ids and as many log-probs, got ${tokenIds?.length ?? "no"} and ${logProbs?.length ?? "no"}; return_token_ids needs vLLM 0.10.2 or newer`,
        { scope: "backend" },
      );
    if (temperature === 0) return { ...rest, tokenIds, logProbs, samplingLogProbs: tokenIds.map(() => 0) };
    return { ...rest, tokenIds, samplingLogProbs: logProbs, ...(temperature === 1 && { logProbs }) };
  });
}
