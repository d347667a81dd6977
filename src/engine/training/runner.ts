import type { Architecture } from "../../models/parts/architecture";
import { visionShape } from "../../models/parts/vision-inputs";
import type { Placement, Session, Tensor } from "../../onnx/runtime/session";
import { sessionCache } from "../../onnx/runtime/session-cache";
import { groupImages, type ImageGroups, visionFeeds } from "../batch";
import { gradientPrefix, planShape, type TrainingShape, trainingGraph } from "../graphs/training";
import { keepsTooMuch } from "../memory/estimate";
import { type Policy, trainsVision, weightFeeds } from "../policy";
import type { BatchPlan } from "../shared-prefixes";
import { compiledAtOnce, compileOver } from "../weight-storage";
import { targetFeeds, tokenFeeds } from "./feeds";

export interface RunnerOptions extends Placement {
  /** Recomputes each layer's inside on the way back instead of keeping it (decided by each batch's memory). */
  readonly gradientCheckpointing?: boolean | undefined;
  /** Features of images, for a frozen vision tower. */
  readonly features: (groups: ImageGroups) => Promise<Tensor<Float32Array>>;
}

/** How rows are scored. */
export interface Scoring {
  /** Divides the logits (1). */
  readonly temperature?: number | undefined;
  /** Replaces the policy's trained weights, by name. */
  readonly weights?: Readonly<Record<string, Tensor>> | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The cotangents of a backward pass: one array for each row. */
export interface Cotangents {
  readonly logProbs: readonly ArrayLike<number>[];
  readonly entropies?: readonly ArrayLike<number>[] | undefined;
}

export type Asked = Scoring & { readonly entropies?: boolean };

export type Outputs = Readonly<Record<string, Tensor>>;

/** Runs one micro-batch through the graph that fits it. */
export interface Runner {
  /** The outputs of `trainingGraph`; only those of the forward pass without cotangents. */
  run(plan: BatchPlan, cotangents: Cotangents | undefined, asked: Asked): Promise<Outputs>;
  dispose(): Promise<void>;
}

export function createRunner(
  architecture: Architecture,
  policy: Policy,
  { features, gradientCheckpointing, ...placement }: RunnerOptions,
): Runner {
  const sessions = sessionCache(compiledAtOnce(policy, placement));
  const mustRecompute = remembered((shape: TrainingShape) => keepsTooMuch(policy, shape, placement.memory));

  function compile(shape: TrainingShape, backward: boolean): Promise<Session> {
    return compileOver(policy, placement, (bind) => {
      const { graph, outputs } = trainingGraph(architecture, shape, bind);
      const { logProbs, entropies } = outputs;
      return { graph, outputs: backward ? outputs : { logProbs: logProbs!, ...(entropies && { entropies }) } };
    });
  }

  return {
    async run(plan, cotangents, { temperature = 1, weights = weightFeeds(policy), entropies }) {
      const rows = plan.rows.map(({ row }) => row);
      const groups = groupImages(rows, architecture);
      const backward = cotangents !== undefined;
      const kept = { ...shapeOf(policy, plan, groups), temperature, ...(entropies && { entropies }), recompute: false };
      const shape = { ...kept, recompute: gradientCheckpointing ?? (backward && mustRecompute(kept)) };
      const images = trainsVision(policy) ? towerFeeds(groups, architecture) : { features: await features(groups) };
      const fresh = {
        ...tokenFeeds(plan, groups, architecture),
        ...targetFeeds(plan, shape.targets, cotangents?.logProbs, cotangents?.entropies),
        ...images,
      };
      const key = `${backward} ${JSON.stringify(shape)}`;
      return sessions.run(key, () => compile(shape, backward), { ...weights, ...fresh }, Object.keys(fresh));
    },
    dispose: () => sessions.dispose(),
  };
}

/** The gradients among the outputs of a backward pass, by the names of the trained tensors. */
export function* gradientsIn(outputs: Outputs): Generator<readonly [name: string, gradient: Float32Array]> {
  for (const [name, { data }] of Object.entries(outputs))
    if (name.startsWith(gradientPrefix)) yield [name.slice(gradientPrefix.length), data as Float32Array];
}

/** The part of a graph's shape that follows from the rows. */
function shapeOf(policy: Policy, plan: BatchPlan, { groups, featureRows }: ImageGroups) {
  const { architecture } = policy;
  const pictures = trainsVision(policy)
    ? groups.map(({ grid, images }) => visionShape(architecture, grid, images.length))
    : [];
  return { ...planShape(architecture, plan), pictures, featureRows };
}

function towerFeeds({ groups }: ImageGroups, architecture: Architecture): Record<string, Tensor> {
  const feeds = groups.flatMap((group, k) =>
    Object.entries(visionFeeds(group, architecture)).map(([name, feed]) => [`vision.${k}.${name}`, feed] as const),
  );
  return Object.fromEntries(feeds);
}

function remembered(decide: (shape: TrainingShape) => boolean): (shape: TrainingShape) => boolean {
  const known = new Map<string, boolean>();
  return (shape) => {
    const key = JSON.stringify(shape);
    const decision = known.get(key) ?? decide(shape);
    known.set(key, decision);
    return decision;
  };
}
