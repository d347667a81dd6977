import { ShapeError } from "../../errors";
import type { VisionLanguageModel } from "../../models/open-model";
import { visionShape } from "../../models/parts/vision-inputs";
import { discard } from "../../onnx/runtime/free";
import { createSession, type Placement, type Session, type Tensor } from "../../onnx/runtime/session";
import { sessionCache } from "../../onnx/runtime/session-cache";
import { groupImages, type ImageGroups, visionFeeds } from "../batch";
import { planShape, type TrainingShape, trainingGraph } from "../graphs/training";
import { keepsTooMuch } from "../memory/estimate";
import { bindWeights, type Policy, trainsVision, weightFeeds } from "../policy";
import { type BatchPlan, microBatches, planBatch, type ScoredRow } from "../shared-prefixes";
import { compiledAtOnce, weightStorage } from "../weight-storage";
import { targetFeeds, tokenFeeds } from "./feeds";

export interface TrainingPassOptions extends Placement {
  readonly rowsAtOnce: number;
  /** Compute each layer's insides again on the way back instead of keeping them: decided for each batch by what that would take. */
  readonly gradientCheckpointing?: boolean | undefined;
  /** Features of frozen pictures; not asked for where the vision tower is trained. */
  readonly features: (groups: ImageGroups) => Promise<Tensor<Float32Array>>;
}

/** How rows are scored. */
export interface Scoring {
  /** Logits are divided by it (1). */
  readonly temperature?: number | undefined;
  /** Weights instead of the policy's trained ones, by name. */
  readonly weights?: Readonly<Record<string, Tensor>> | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The cotangents of a backward pass: one array for each row. */
interface Cotangents {
  readonly logProbs: readonly ArrayLike<number>[];
  readonly entropies?: readonly ArrayLike<number>[] | undefined;
}

/** A pass's figures for every scored token, nats. */
interface Scores {
  readonly logProbs: Float64Array[];
  readonly entropies?: Float64Array[];
}

type Asked = Scoring & { readonly entropies?: boolean };

/** Forward and backward passes of the whole network over rows of any length, some at a time. */
export interface TrainingPass {
  /** log π of every scored token. */
  logProbs(rows: readonly ScoredRow[], scoring?: Scoring): Promise<Float64Array[]>;
  /** The entropy of the distribution that every scored token was chosen from. */
  entropies(rows: readonly ScoredRow[], scoring?: Scoring): Promise<Float64Array[]>;
  /**
   * Log-probs, entropies where they have cotangents, and `addGradient` called with ∂(⟨cotangents, logProbs⟩ + ⟨entropyCotangents, entropies⟩)/∂w for
   * every trained tensor, once a micro-batch; the array is gone afterwards.
   */
  backward(
    rows: readonly ScoredRow[],
    cotangents: readonly ArrayLike<number>[],
    addGradient: (name: string, gradient: Float32Array) => void,
    scoring?: Scoring & { readonly entropyCotangents?: readonly ArrayLike<number>[] | undefined },
  ): Promise<Scores>;
  dispose(): Promise<void>;
}

const gradientPrefix = "gradient:";

export function createTrainingPass(
  { architecture }: Pick<VisionLanguageModel, "architecture">,
  policy: Policy,
  { rowsAtOnce, features, gradientCheckpointing, ...placement }: TrainingPassOptions,
): TrainingPass {
  const sessions = sessionCache(compiledAtOnce(policy, placement));
  const mustRecompute = remembered((shape: TrainingShape) => keepsTooMuch(policy, shape, placement.memory));

  async function run(
    plan: BatchPlan,
    cotangents: Cotangents | undefined,
    { temperature = 1, weights = weightFeeds(policy), entropies }: Asked,
  ): Promise<Record<string, Tensor>> {
    const groups = groupImages(
      plan.rows.map(({ row }) => row),
      architecture,
    );
    const backward = cotangents !== undefined;
    const shape = shapeOf(plan, groups, { temperature, ...(entropies && { entropies }) }, backward);
    const pictures = trainsVision(policy)
      ? Object.assign(
          {},
          ...groups.groups.map((group, k) => {
            const feeds = Object.entries(visionFeeds(group, architecture));
            return Object.fromEntries(feeds.map(([name, feed]) => [`vision.${k}.${name}`, feed]));
          }),
        )
      : { features: await features(groups) };
    const fresh = {
      ...tokenFeeds(plan, groups, architecture),
      ...targetFeeds(plan, shape.targets, cotangents?.logProbs, cotangents?.entropies),
      ...pictures,
    };
    const key = `${backward} ${JSON.stringify(shape)}`;
    return sessions.run(key, () => compile(shape, backward), { ...weights, ...fresh }, Object.keys(fresh));
  }

  function compile(shape: TrainingShape, backward: boolean): Promise<Session> {
    const { graph, outputs } = trainingGraph(architecture, shape, (g) => bindWeights(policy, g));
    const { logProbs, entropies } = outputs;
    const wanted = backward ? outputs : { logProbs: logProbs!, ...(entropies && { entropies }) };
    return createSession(graph, wanted, { ...weightStorage(policy), ...placement });
  }

  function shapeOf(
    plan: BatchPlan,
    groups: ImageGroups,
    asked: Pick<TrainingShape, "temperature" | "entropies">,
    backward: boolean,
  ): TrainingShape {
    const kept: TrainingShape = {
      ...planShape(architecture, plan),
      pictures: trainsVision(policy)
        ? groups.groups.map(({ grid, images }) => visionShape(architecture, grid, images.length))
        : [],
      featureRows: groups.featureRows,
      ...asked,
      recompute: false,
    };
    return { ...kept, recompute: gradientCheckpointing ?? (backward && mustRecompute(kept)) };
  }

  async function eachBatch(
    rows: readonly ScoredRow[],
    cotangents: Cotangents | undefined,
    read: (outputs: Record<string, Tensor>) => void,
    scoring: Asked = {},
  ): Promise<Scores> {
    rows.forEach(({ promptLength }, r) => {
      if (promptLength < 1)
        throw new ShapeError(`row ${r}: expected at least one token before those that are scored, got ${promptLength}`);
    });
    const empty = () => rows.map(() => new Float64Array(0));
    const scores: Scores = { logProbs: empty(), ...(scoring.entropies && { entropies: empty() }) };
    for (const batch of microBatches(rows, rowsAtOnce)) {
      scoring.signal?.throwIfAborted();
      const order = batch.flatMap((group) => group.rows);
      const inOrder = (of: Cotangents["logProbs"]) => order.map((i) => of[i]!);
      const ordered = cotangents && {
        logProbs: inOrder(cotangents.logProbs),
        entropies: cotangents.entropies && inOrder(cotangents.entropies),
      };
      const outputs = await run(planBatch(rows, batch), ordered, scoring);
      read(outputs);
      for (const [name, of] of Object.entries(scores)) {
        const flat = outputs[name]!.data as Float32Array;
        let next = 0;
        for (const i of order) {
          const end = next + rows[i]!.tokens.length - rows[i]!.promptLength;
          of[i] = Float64Array.from(flat.subarray(next, end));
          next = end;
        }
      }
      discard(Object.values(outputs));
    }
    return scores;
  }

  return {
    logProbs: async (rows, scoring) => (await eachBatch(rows, undefined, () => {}, scoring)).logProbs,
    entropies: async (rows, scoring) =>
      (await eachBatch(rows, undefined, () => {}, { ...scoring, entropies: true })).entropies!,
    backward(rows, logProbs, addGradient, { entropyCotangents: entropies, ...scoring } = {}) {
      const read = (outputs: Record<string, Tensor>) => {
        for (const [name, { data }] of Object.entries(outputs))
          if (name.startsWith(gradientPrefix)) addGradient(name.slice(gradientPrefix.length), data as Float32Array);
      };
      return eachBatch(rows, { logProbs, entropies }, read, { ...scoring, entropies: entropies !== undefined });
    },
    dispose: () => sessions.dispose(),
  };
}

/** `decide`, asked once for each shape. */
function remembered(decide: (shape: TrainingShape) => boolean): (shape: TrainingShape) => boolean {
  const known = new Map<string, boolean>();
  return (shape) => {
    const key = JSON.stringify(shape);
    const decision = known.get(key) ?? decide(shape);
    known.set(key, decision);
    return decision;
  };
}
