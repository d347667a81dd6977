import type { VisionLanguageModel } from "../../models/open-model";
import type { Trainer } from "../../trainer";
import { type Policy, referenceFeeds } from "../policy";
import { checkRows } from "./check-rows";
import type { GradientSum } from "./gradients";
import type { TrainingPass } from "./pass";
import { scoredRows } from "./rows";

/** Makes the three calls of a trainer that run the network: two that score, and one that adds to `gradient`. */
export function trainingPrimitives(
  model: Pick<VisionLanguageModel, "config" | "encodePrompt">,
  policy: Policy,
  pass: TrainingPass,
  gradient: GradientSum,
): Pick<Trainer, "logProbs" | "entropies" | "backward"> {
  return {
    async logProbs(sequences, { policy: which = "current", ...scoring } = {}) {
      const rows = await scoredRows(model, sequences, scoring, which);
      const weights = which === "reference" ? await referenceFeeds(policy) : undefined;
      const logProbs = await pass.logProbs(rows, { ...scoring, weights });
      checkRows("log-probs", logProbs, sequences);
      return logProbs;
    },

    async entropies(sequences, scoring = {}) {
      const entropies = await pass.entropies(await scoredRows(model, sequences, scoring), scoring);
      checkRows("entropies", entropies, sequences);
      return entropies;
    },

    async backward(sequences, cotangents, { entropyCotangents, ...scoring } = {}) {
      try {
        checkRows("cotangents", cotangents, sequences);
        if (entropyCotangents) checkRows("entropyCotangents", entropyCotangents, sequences);
        const rows = await scoredRows(model, sequences, scoring);
        const scores = await pass.backward(rows, cotangents, gradient.add, { ...scoring, entropyCotangents });
        checkRows("log-probs", scores.logProbs, sequences);
        if (scores.entropies) checkRows("entropies", scores.entropies, sequences);
        gradient.passed();
        return scores;
      } catch (error) {
        // Half a batch's gradient must not become a step.
        gradient.forget();
        throw error;
      }
    },
  };
}
