import type { GenerateOptions, VlmBackend } from "../backend";
import { BackendError, ConfigError } from "../errors";
import { count, having, notNegative, readArgument, readOptions, specOf, text } from "../options/spec";
import type { Trainer } from "../trainer";
import type { Completion, Prompt } from "../types";
import { type OpenaiBackendOptions, openaiBackend, openaiBackendSpec } from "./openai";
import { adapterCalls } from "./vllm/adapter-calls";
import { servedPolicy } from "./vllm/served-policy";

/** Options of `vllmSampler`. */
export interface VllmSamplerOptions
  extends Pick<OpenaiBackendOptions, "baseUrl" | "apiKey" | "headers" | "retries" | "timeoutMs" | "maxPixels"> {
  /** A folder that the server can read, for the adapter of each step (a new one for temporary files). */
  readonly adapterDir?: string;
  /** The path of `adapterDir` on the server, if it is another one there, as in a container (the same). */
  readonly serverAdapterDir?: string;
  /** Prompts under way at the same time (64). */
  readonly requestsAtOnce?: number;
  /**
   * Largest mean difference between the server's log-probs and the trainer's in the test at the start, nats a token
   * (0.2). Rounding to bfloat16 makes a few hundredths.
   */
  readonly maxDisagreement?: number;
}

export const vllmSamplerSpec = specOf<VllmSamplerOptions>()(() => ({
  baseUrl: openaiBackendSpec().baseUrl,
  apiKey: openaiBackendSpec().apiKey,
  headers: openaiBackendSpec().headers,
  retries: openaiBackendSpec().retries,
  timeoutMs: openaiBackendSpec().timeoutMs,
  maxPixels: openaiBackendSpec().maxPixels,
  adapterDir: text("the path of a folder").optional().describe("A folder that the server can read, for adapters"),
  serverAdapterDir: text("a path").optional().describe("The path of that folder on the server; the same without it"),
  requestsAtOnce: count().default(64).describe("Prompts under way at the same time"),
  maxDisagreement: notNegative().default(0.2).describe("Largest mean difference of log-probs at the start, in nats"),
}));

/**
 * The trainer, with a vLLM server as its sampler: a LoRA adapter is loaded into the server under a new name when the
 * weights have changed, and the old one is unloaded. Token ids and log-probs are the server's. They differ a little
 * from the trainer's, so runs log the difference and, by default, correct for it (`sequence_mask`, as TRL does).
 *
 * Start the server with the trainer's checkpoint:
 *
 *     VLLM_ALLOW_RUNTIME_LORA_UPDATING=True vllm serve MODEL --enable-lora --max-lora-rank 16 --max-loras 2 \\
 *       --logprobs-mode processed_logprobs --generation-config vllm
 *
 * At the start one completion is sampled, and scored by the trainer: another checkpoint and log-probs of another kind
 * are found then. Later steps log `sampling/sampling_logp_difference`.
 *
 * Departures: completions do not depend on their seed alone, and text that spells special tokens becomes those tokens,
 * as in every server of this kind. Sampling above temperature 0 takes no `topK`, `topP` or `repetitionPenalty`: the
 * server has log-probs after them only, and the policy that learns is the one before.
 *
 * @throws ConfigError for a trainer without `lora`, because vLLM takes whole weights only through its own transfer
 * between GPUs; BackendError, with the server's words, when an adapter is refused, or for log-probs that disagree
 * @example
 * const trainer = async () =>
 *   vllmSampler(await onnxTrainer({ model, lora: { rank: 16 } }), { baseUrl: "http://localhost:8000/v1" });
 */
export async function vllmSampler(trainer: Trainer, options: VllmSamplerOptions): Promise<Trainer> {
  readArgument("vllmSampler", "trainer", trainer, having("a trainer", "sampler", "save", "optimStep", "logProbs"));
  const settings = readOptions("vllmSampler", options, vllmSamplerSpec);
  const { adapterDir, serverAdapterDir, maxDisagreement, apiKey, maxPixels: pixels, ...server } = settings;
  const open = (model: string) =>
    openaiBackend({
      ...server,
      model,
      ...(apiKey !== undefined && { apiKey }),
      ...(pixels !== undefined && { maxPixels: pixels }),
      extraBody: { return_token_ids: true },
      logProbs: true,
    });
  const policy = await servedPolicy(trainer, {
    calls: adapterCalls({ ...server, apiKey }),
    open,
    adapterDir,
    serverAdapterDir,
  });
  const own = trainer.sampler();
  const sampler: VlmBackend = {
    ...own,
    capabilities: { logProbs: true, tokenIds: true, reproducible: false },
    generate: async (prompts, generation) => {
      checkShape(generation);
      return policy.generate(prompts, generation);
    },
  };
  // A save that began before it may hold the weights from before it.
  const changing = <T>(change: Promise<T>): Promise<T> => change.finally(policy.weightsChanged);
  try {
    await selfTest(trainer, sampler, maxDisagreement);
  } catch (error) {
    await policy.dispose();
    throw error;
  }
  return {
    ...trainer,
    sampler: () => sampler,
    samplerDiffers: true,
    optimStep: (params) => changing(trainer.optimStep(params)),
    load: (dir) => changing(trainer.load(dir)),
    ...(trainer.interpolate && { interpolate: (share: number) => changing(trainer.interpolate!(share)) }),
    async dispose() {
      await policy.dispose().finally(() => trainer.dispose());
    },
  };
}

function checkShape({
  temperature = 1,
  topK = Number.POSITIVE_INFINITY,
  topP = 1,
  repetitionPenalty = 1,
}: GenerateOptions) {
  if (temperature === 0 || (topK === Number.POSITIVE_INFINITY && topP === 1 && repetitionPenalty === 1)) return;
  throw new ConfigError(
    `vllmSampler: expected no topK, topP or repetitionPenalty above temperature 0, got ${JSON.stringify({ topK, topP, repetitionPenalty })}; ` +
      "vLLM has log-probs after them only, and the policy that learns is the one before",
  );
}

/** Compares the log-probs of one completion, at a temperature that tells the kinds of log-probs apart. */
async function selfTest(trainer: Trainer, sampler: VlmBackend, most: number): Promise<void> {
  const prompt: Prompt = [{ role: "user", content: [{ type: "text", text: "Describe a picture." }] }];
  const temperature = 2;
  const [[completion]] = (await sampler.generate([prompt], { maxTokens: 16, temperature, seed: 0 })) as [[Completion]];
  const { tokenIds = [], samplingLogProbs = [] } = completion;
  const [scored] = await trainer.logProbs([{ prompt, completion: tokenIds }], { temperature });
  const gap = samplingLogProbs.reduce((sum, value, t) => sum + Math.abs(value - scored![t]!), 0) / tokenIds.length;
  if (gap <= most) return;
  throw new BackendError(
    `vllmSampler: expected log-probs within ${most} nats of the trainer's, got a mean difference of ${gap.toPrecision(3)}; ` +
      "start vLLM with --logprobs-mode processed_logprobs, and with the trainer's own checkpoint",
    { scope: "backend" },
  );
}
