import { DataError } from "../../errors";
import type { Row } from "../../models/inputs/row";
import type { VisionLanguageModel } from "../../models/open-model";
import { shown } from "../../options/display";
import { choice, divisor, having, readArgument, readOptions, specOf } from "../../options/spec";
import type { ScoringOptions, TrainSequence } from "../../scoring";
import { checkSequences } from "./check-rows";

export const scoringSpec = specOf<ScoringOptions>()(() => ({
  temperature: divisor().optional().describe("Scores are those of softmax(logits / temperature); 1 if not given"),
  signal: having<AbortSignal>("an AbortSignal", "throwIfAborted").optional().describe("Ends the call"),
}));

/**
 * Turns sequences into rows of tokens, with images decoded.
 * @throws ConfigError for an invalid or unknown option; DataError for a token outside the vocabulary,
 * or a sequence that is longer than the model's context
 */
export function scoredRows(
  model: Pick<VisionLanguageModel, "config" | "encodePrompt">,
  sequences: readonly TrainSequence[],
  scoring: ScoringOptions,
  policy: "current" | "reference" = "current",
): Promise<Row[]> {
  const { signal } = readOptions("trainer", scoring, scoringSpec);
  readArgument("trainer", "policy", policy, choice(["current", "reference"]));
  signal?.throwIfAborted();
  checkSequences(sequences);
  return Promise.all(sequences.map((sequence, i) => scoredRow(model, sequence, i)));
}

async function scoredRow(
  model: Pick<VisionLanguageModel, "config" | "encodePrompt">,
  { prompt, completion }: TrainSequence,
  i: number,
): Promise<Row> {
  const { vocabSize, contextLength } = model.config.text;
  const bad = completion.findIndex((id) => !(Number.isInteger(id) && id >= 0 && id < vocabSize));
  if (bad >= 0)
    throw new DataError(
      `completion ${i}, token ${bad}: expected an id from 0 to ${vocabSize - 1}, got ${shown(completion[bad])}`,
    );
  const { tokens, images } = await model.encodePrompt(prompt);
  const length = tokens.length + completion.length;
  if (length > contextLength)
    throw new DataError(
      `sequence ${i}: expected its tokens to fit the model's context of ${contextLength}, got ${tokens.length} of the prompt and ${completion.length} of the completion; shorten it, or leave it out`,
    );
  return { tokens: [...tokens, ...completion], images, promptLength: tokens.length };
}
