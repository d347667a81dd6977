import { DataError } from "../../errors";
import type { VisionLanguageModel } from "../../models/open-model";
import { divisors, isDivisor } from "../../options/limits";
import { checkNumber } from "../../options/options";
import type { ScoringOptions, TrainSequence } from "../../scoring";
import type { ScoredRow } from "../shared-prefixes";
import { checkSequences } from "./check-rows";

/**
 * Turns sequences into rows of tokens, images decoded.
 * @throws ConfigError for a temperature that logits cannot be divided by; DataError for a token outside the vocabulary
 */
export function scoredRows(
  model: Pick<VisionLanguageModel, "config" | "encodePrompt">,
  sequences: readonly TrainSequence[],
  { temperature = 1, signal }: ScoringOptions,
): Promise<ScoredRow[]> {
  signal?.throwIfAborted();
  checkSequences(sequences);
  checkNumber("onnxTrainer", `a temperature ${divisors}`, temperature, isDivisor(temperature));
  return Promise.all(sequences.map((sequence, i) => scoredRow(model, sequence, i)));
}

async function scoredRow(
  model: Pick<VisionLanguageModel, "config" | "encodePrompt">,
  { prompt, completion }: TrainSequence,
  i: number,
): Promise<ScoredRow> {
  const { vocabSize } = model.config.text;
  const bad = completion.findIndex((id) => !(Number.isInteger(id) && id >= 0 && id < vocabSize));
  if (bad >= 0)
    throw new DataError(
      `completion ${i}, token ${bad}: expected an id from 0 to ${vocabSize - 1}, got ${completion[bad]}`,
    );
  const { tokens, images } = await model.encodePrompt(prompt);
  return { tokens: [...tokens, ...completion], images, promptLength: tokens.length };
}
