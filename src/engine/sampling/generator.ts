import type { GenerateOptions } from "../../backend";
import type { Row } from "../../models/inputs/row";
import type { VisionLanguageModel } from "../../models/open-model";
import type { Placement } from "../../onnx/runtime/session";
import { sessionCache } from "../../onnx/runtime/session-cache";
import { groupImages, roundUp } from "../batch";
import { continuationGraph, generationGraph, promptStep } from "../graphs/generation";
import { type Policy, weightFeeds } from "../policy";
import { type BuildGraph, compiledAtOnce, compileOver, weightStorage } from "../weight-storage";
import { firstStop } from "./completions";
import { type Generated, type GenerationRow, generationFeeds, type SamplingOptions, samplingOf } from "./generate";
import type { ImageFeatures } from "./image-features";
import { createPace, type GenerationGraphs, generateInStretches } from "./interruptible";

/** Continues prompts, a batch at a time. */
export interface Generator {
  /** @throws the signal's reason */
  generate(
    prompts: readonly Row[],
    rows: readonly GenerationRow[],
    sampling: SamplingOptions,
    options: Pick<GenerateOptions, "stop" | "signal">,
  ): Promise<Generated[]>;
  dispose(): Promise<void>;
}

/** @param policy the policy to sample from, its frozen weights in the sampler's precision */
export function createGenerator(
  { architecture, config, tokenizer }: Pick<VisionLanguageModel, "architecture" | "config" | "tokenizer">,
  policy: Policy,
  features: ImageFeatures,
  placement: Placement,
): Generator {
  const sessions = sessionCache(compiledAtOnce(policy, placement, "language"));
  // Weights that stay in their files are converted again for every stretch.
  const pace = createPace(weightStorage(policy).weightsStayInFiles ? 64 : 8);
  const compile = (build: BuildGraph) => compileOver(policy, placement, build);
  return {
    async generate(prompts, rows, sampling, { stop = [], signal }) {
      const groups = groupImages(prompts, architecture);
      const penalised = sampling.repetitionPenalty !== 1;
      const continuation = { rows: rows.length, sampling: samplingOf(sampling), penalised };
      const time = roundUp(Math.max(...prompts.map(({ tokens }) => tokens.length)), promptStep);
      const shape = { ...continuation, prompts: prompts.length, time, featureRows: groups.featureRows };
      const given = { ...weightFeeds(policy), features: await features.of(groups, signal) };
      const graphs: GenerationGraphs = {
        begin(feeds, resumable) {
          const begun = { ...shape, resumable };
          const create = () => compile((bind) => generationGraph(architecture, begun, bind));
          return sessions.run(`generate ${JSON.stringify(begun)}`, create, { ...given, ...feeds });
        },
        goOn(state, feeds) {
          const create = () => compile((bind) => continuationGraph(architecture, continuation, bind));
          const all = { ...weightFeeds(policy), ...state, ...feeds };
          return sessions.run(`continue ${JSON.stringify(continuation)}`, create, all, Object.keys(state));
        },
      };
      const feeds = generationFeeds(architecture, { ...shape, resumable: true }, prompts, rows, groups, sampling);
      const isEnough = (tokens: readonly number[]) => firstStop(tokenizer.decode(tokens), stop) !== undefined;
      return generateInStretches(config, graphs, feeds, {
        rows: rows.length,
        maxTokens: sampling.maxTokens,
        isEnough: stop.length > 0 ? isEnough : undefined,
        signal,
        pace,
      });
    },
    dispose: () => sessions.dispose(),
  };
}
