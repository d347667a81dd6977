import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { grpoAdvantages } from "../../../src/grpo/advantage/advantage";
import { type GrpoLossType, grpoLoss } from "../../../src/grpo/loss/loss";
import { grpoPresets } from "../../../src/grpo/presets";
import { readSafetensors } from "../../../src/models/files/safetensors";
import { adamw, chain, clipByGlobalNorm, cosineSchedule } from "../../../src/optim";
import { grpoStep } from "../../../src/rise/grpo-step";
import { supervisedStep } from "../../../src/rise/sft-step";
import type { LossFn, Trainer, TrainSequence } from "../../../src/trainer";
import { onnxTrainer } from "../../../src/trainers/onnx";
import { checkpointDir, promptOf, reference } from "../../models/reference";

/** plan.json, as make.py writes it. */
export interface Plan {
  readonly settings: {
    readonly maxNorm: number;
    readonly weightDecay: number;
    readonly warmupSteps: number;
    readonly totalSteps: number;
    readonly groupSize: number;
    readonly microBatch: number;
  };
  readonly ways: Readonly<Record<Way, WayPlan>>;
}

export type Way = "sft" | "grpo" | "grpo-reused";

interface WayPlan {
  readonly learningRate: number;
  readonly lossType?: GrpoLossType;
  readonly beta?: number;
  readonly steps: readonly Step[];
}

interface Step {
  readonly rows: readonly { readonly case: number; readonly completion: readonly number[] }[];
  readonly rewards?: readonly number[];
  readonly learningRate: number;
  readonly loss: number;
  readonly gradNorm: number;
}

/** How far from PyTorch's one training ends. */
export interface Divergence {
  /** For every parameter: ‖ours − theirs‖ over the parameter's norm, and over the distance that theirs travelled. */
  readonly parameters: ReadonlyMap<string, { readonly ofNorm: number; readonly ofTravelled: number }>;
  /** Largest |ours − theirs| / (1 + |theirs|) of a step's loss and gradient norm. */
  readonly loss: number;
  readonly gradNorm: number;
}

export const ways = ["sft", "grpo", "grpo-reused"] as const;

/** Trains as PyTorch did for the recording in `dir`, and compares every parameter. */
export async function replay(dir: string, way: Way): Promise<Divergence> {
  const { settings, ways }: Plan = JSON.parse(await readFile(join(dir, "plan.json"), "utf8"));
  const plan = ways[way];
  const optimizer = chain(clipByGlobalNorm(settings.maxNorm), adamw({ weightDecay: settings.weightDecay }));
  const [trainer, initial] = [
    await onnxTrainer({ model: checkpointDir, device: "cpu", optimizer, threads: 1 }),
    await onnxTrainer({ model: checkpointDir, device: "cpu", threads: 1 }),
  ];
  const scratch = await mkdtemp(join(tmpdir(), "rise-replay-"));
  try {
    const schedule = cosineSchedule({
      learningRate: plan.learningRate,
      warmupSteps: settings.warmupSteps,
      totalSteps: settings.totalSteps,
    });
    const updates: Readonly<Record<Way, Update>> = {
      sft: supervised(trainer, settings),
      grpo: onPolicy(trainer, settings),
      "grpo-reused": reused(trainer, initial, settings, plan),
    };
    const worst = { loss: 0, gradNorm: 0 };
    for (const [n, step] of plan.steps.entries()) {
      // PyTorch's first step, at the warm-up's rate 0, was made before.
      const ours = await updates[way](step, schedule(n + 1), n);
      for (const key of ["loss", "gradNorm"] as const)
        worst[key] = Math.max(worst[key], Math.abs(ours[key] - step[key]) / (1 + Math.abs(step[key])));
    }
    await trainer.save(scratch);
    const [before, after, moved] = await Promise.all(
      [
        join(checkpointDir, "model.safetensors"),
        join(scratch, "model.safetensors"),
        join(dir, `${way}.safetensors`),
      ].map(readSafetensors),
    );
    const parameters = new Map<string, { ofNorm: number; ofTravelled: number }>();
    for (const [stored, { data: start }] of before!) {
      const name = stored.replace("model.visual.", "visual.").replace("model.language_model.", "model.");
      const [end, travelled] = [after!.get(name)!.data, moved!.get(name)!.data];
      const apart = norm(start, (x, i) => end[i]! - x - travelled[i]!);
      parameters.set(name, {
        ofNorm: apart / norm(start, (x, i) => x + travelled[i]!),
        ofTravelled: apart / norm(travelled, (x) => x),
      });
    }
    return { parameters, ...worst };
  } finally {
    await Promise.all([trainer, initial].map((one) => one.dispose()));
    await rm(scratch, { recursive: true });
  }
}

/** The parameter that ends furthest from PyTorch's. */
export const furthest = ({ parameters }: Divergence, of: "ofNorm" | "ofTravelled") =>
  [...parameters]
    .map(([name, errors]) => ({ name, error: errors[of] }))
    .reduce((worst, next) => (next.error <= worst.error ? worst : next));

type Update = (step: Step, learningRate: number, n: number) => Promise<{ loss: number; gradNorm: number }>;

const signal = new AbortController().signal;
const prompts = reference.cases.map(promptOf);
const sequencesOf = ({ rows }: Step): TrainSequence[] =>
  rows.map((row) => ({ prompt: prompts[row.case]!, completion: row.completion }));

const supervised =
  (trainer: Trainer, { microBatch }: Plan["settings"]): Update =>
  async (step, learningRate) => {
    const options = { learningRate, lossType: "token" as const, microBatch, signal };
    const { metrics } = await supervisedStep(trainer, sequencesOf(step), options);
    return { loss: metrics.loss, gradNorm: metrics.grad_norm };
  };

/** The pipelines' own step: rollouts come with the log-probs that a sampler gives them. */
const onPolicy =
  (trainer: Trainer, { groupSize }: Plan["settings"]): Update =>
  async (step, learningRate) => {
    const sequences = sequencesOf(step);
    const { logProbs } = await trainer.forwardBackward(sequences, still);
    const sampled = sequences.map(({ prompt, completion }, i) => ({
      rollout: "",
      truth: "",
      reward: { reward: step.rewards![i]!, similarity: 0, leaks: [], format: { ok: true as const } },
      segments: [
        {
          prompt,
          completion: { text: "", tokenIds: completion, logProbs: [...logProbs[i]!], finishReason: "stop" as const },
        },
      ],
    }));
    const grpo = grpoPresets.trl;
    const options = {
      rolloutsPerGroup: groupSize,
      grpo,
      learningRate,
      credit: "all" as const,
      microBatch: 3,
      signal,
    };
    const { metrics } = await grpoStep(trainer, sampled, options);
    return { loss: metrics.loss, gradNorm: metrics.grad_norm };
  };

/** Two updates on each batch of rollouts, clipped at the policy that they come from and held to the initial one. */
function reused(
  trainer: Trainer,
  initial: Trainer,
  { groupSize }: Plan["settings"],
  { lossType, beta }: WayPlan,
): Update {
  let oldLogProbs: readonly Float64Array[] = [];
  let refLogProbs: readonly Float64Array[] = [];
  const options = { lossType: lossType!, klCoefficient: beta!, klImportanceWeight: true };
  return async (step, learningRate, n) => {
    const sequences = sequencesOf(step);
    if (n % 2 === 0) {
      ({ logProbs: oldLogProbs } = await trainer.forwardBackward(sequences, still));
      ({ logProbs: refLogProbs } = await initial.forwardBackward(sequences, still));
    }
    const { advantages } = grpoAdvantages(step.rewards!, { ...grpoPresets.trl.advantages, groupSize });
    const { loss } = await trainer.forwardBackward(sequences, (logProbs) =>
      grpoLoss({ logProbs, oldLogProbs, refLogProbs, advantages }, options),
    );
    const { gradNorm } = await trainer.optimStep({ learningRate });
    return { loss, gradNorm };
  };
}

/** Asks for log-probs and teaches nothing. */
const still: LossFn = (logProbs) => ({ loss: 0, gradient: logProbs.map((row) => new Float64Array(row.length)) });

const norm = (values: Float32Array, of: (x: number, i: number) => number) =>
  Math.sqrt(values.reduce((sum, x, i) => sum + of(x, i) ** 2, 0));
