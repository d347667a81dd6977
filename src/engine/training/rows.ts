import { DataError } from "../../errors";
import type { Row } from "../../models/inputs/row";
import type { VisionLanguageModel } from "../../models/open-model";
import { divisor, readArgument } from "../../options/spec";
import type { ScoringOptions, TrainSequence } from "../../scoring";
import { checkSequences } from "./check-rows";

/**
 * Turns sequences into rows of tokens, with images decoded.
 * @throws ConfigError for an invalid temperature; DataError for a token outside the vocabulary
 */
export function scoredRows(
  model: Pick<VisionLanguageModel, "config" | "encodePrompt">,
  sequences: readonly TrainSequence[],
  { temperature = 1, signal }: ScoringOptions,
): Promise<Row[]> {
  signal?.throwIfAborted();
  checkSequences(sequences);
  readArgument("trainer", "temperature", temperature, divisor());
  return Promise.all(sequences.map((sequence, i) => scoredRow(model, sequence, i)));
}

async function scoredRow(
  model: Pick<VisionLanguageModel, "config" | "encodePrompt">,
  { prompt, completion }: TrainSequence,
  i: number,
): Promise<Row> {
  const { vocabSize } = model.config.text;
  const bad = completion.findIndex((id) => !(Number.isInteger(id) && id >= 0 && id < vocabSize));
  if (bad >= 0)
    throw new DataError(
      `completion ${i}, token ${bad}: expected an id from 0 to ${vocabSize - 1}, got ${completion[bad]}`,
    );
  const { tokens, images } = await model.encodePrompt(prompt);
  return { tokens: [...tokens, ...completion], images, promptLength: tokens.length };
}
