import { ShapeError } from "../../errors";
import { createSession, type Placement, type Session, type Tensor } from "../../onnx/session";
import { sessionCache } from "../../onnx/session-cache";
import { groupImages, type ImageGroups, layOut, type ModelRow, roundUp, visionFeeds } from "./batch";
import type { Qwen2Vl } from "./model";
import { bindWeights, type Policy, trainsVision, weightFeeds, weightStorage } from "./policy";
import { activationBytes, type TrainingShape, trainingGraph } from "./training-graph";

/** A row whose tokens from `promptLength` (1 or more) on are scored. */
export interface ScoredRow extends ModelRow {
  readonly promptLength: number;
}

export interface TrainingPassOptions extends Placement {
  readonly rowsAtOnce: number;
  /** Compute each layer's insides again on the way back instead of keeping them: decided for each batch by what they take. */
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

/** Forward and backward passes of the whole network over rows of any length, some at a time. */
export interface TrainingPass {
  /** log π of every scored token. */
  logProbs(rows: readonly ScoredRow[], scoring?: Scoring): Promise<Float64Array[]>;
  /** The same, and `addGradient` called with ∂⟨cotangents, logProbs⟩/∂w for every trained tensor, once a micro-batch. */
  backward(
    rows: readonly ScoredRow[],
    cotangents: readonly ArrayLike<number>[],
    addGradient: (name: string, gradient: Float32Array) => void,
    scoring?: Scoring,
  ): Promise<Float64Array[]>;
  dispose(): Promise<void>;
}

const timeStep = 16;
/** Scored tokens are rounded up to this … */
const targetStep = 256;
/** … or, where each costs a row of a large vocabulary's size, to this. */
const smallTargetStep = 32;
const largeVocabulary = 2 ** 15;
/** Bytes of activations beyond which layers are computed again. */
const mostKept = 2 ** 30;
const gradientPrefix = "gradient:";

export function createTrainingPass(
  { config }: Pick<Qwen2Vl, "config">,
  policy: Policy,
  { rowsAtOnce, features, gradientCheckpointing, ...placement }: TrainingPassOptions,
): TrainingPass {
  const sessions = sessionCache();

  async function run(
    rows: readonly ScoredRow[],
    cotangents: readonly ArrayLike<number>[] | undefined,
    { temperature = 1, weights = weightFeeds(policy) }: Scoring,
  ): Promise<Record<string, Tensor>> {
    const { shape, groups, feeds } = batchFeeds(rows, cotangents, temperature);
    const backward = cotangents !== undefined;
    const pictures = trainsVision(policy)
      ? Object.assign(
          {},
          ...groups.groups.map((group, k) => {
            const { patches, cos, sin } = visionFeeds(group, config);
            return { [`patches.${k}`]: patches, [`visionCos.${k}`]: cos, [`visionSin.${k}`]: sin };
          }),
        )
      : { features: await features(groups) };
    return sessions.run(`${backward} ${JSON.stringify(shape)}`, () => compile(shape, backward), {
      ...weights,
      ...feeds,
      ...pictures,
    });
  }

  function compile(shape: TrainingShape, backward: boolean): Promise<Session> {
    const { graph, outputs } = trainingGraph(config, shape, (g) => bindWeights(policy, g));
    const wanted = backward ? outputs : { logProbs: outputs.logProbs! };
    return createSession(graph, wanted, { ...weightStorage(policy), ...placement });
  }

  function batchFeeds(
    rows: readonly ScoredRow[],
    cotangents: readonly ArrayLike<number>[] | undefined,
    temperature: number,
  ) {
    const groups = groupImages(rows, config);
    const time = roundUp(Math.max(...rows.map(({ tokens }) => tokens.length)), timeStep);
    const scored = rows.reduce((n, { tokens, promptLength }) => n + tokens.length - promptLength, 0);
    const size = { batch: rows.length, time };
    const shape: TrainingShape = {
      ...size,
      recompute: gradientCheckpointing ?? activationBytes(config, size) > mostKept,
      targets: roundUp(Math.max(scored, 1), config.text.vocabSize > largeVocabulary ? smallTargetStep : targetStep),
      pictures: trainsVision(policy)
        ? groups.groups.map(({ grid: [t, h, w], images }) => ({ count: images.length, patches: t * h * w }))
        : [],
      featureRows: groups.featureRows,
      temperature,
    };
    const places = new BigInt64Array(shape.targets);
    const chosen = new BigInt64Array(shape.targets);
    const cotangent = new Float32Array(shape.targets);
    let next = 0;
    rows.forEach(({ tokens, promptLength }, r) => {
      if (promptLength < 1)
        throw new ShapeError(`row ${r}: expected at least one token before those that are scored, got ${promptLength}`);
      for (let i = promptLength; i < tokens.length; i++, next++) {
        // A token's probability is read where the token before it stands.
        places[next] = BigInt(r * time + i - 1);
        chosen[next] = BigInt(tokens[i]!);
        cotangent[next] = cotangents?.[r]?.[i - promptLength] ?? 0;
      }
    });
    const { tokenIds, source, cos, sin } = layOut(rows, time, "right", groups, config);
    const feeds: Record<string, Tensor> = {
      tokenIds,
      source,
      cos,
      sin,
      rows: { data: places, shape: [shape.targets] },
      chosen: { data: chosen, shape: [shape.targets, 1] },
      cotangent: { data: cotangent, shape: [shape.targets] },
    };
    return { shape, groups, feeds };
  }

  async function eachBatch(
    rows: readonly ScoredRow[],
    cotangents: readonly ArrayLike<number>[] | undefined,
    read: (outputs: Record<string, Tensor>) => void,
    scoring: Scoring = {},
  ): Promise<Float64Array[]> {
    const logProbs: Float64Array[] = rows.map(() => new Float64Array(0));
    for (const batch of microBatches(rows, rowsAtOnce)) {
      scoring.signal?.throwIfAborted();
      const outputs = await run(
        batch.map((i) => rows[i]!),
        cotangents && batch.map((i) => cotangents[i]!),
        scoring,
      );
      read(outputs);
      const flat = outputs.logProbs!.data as Float32Array;
      let next = 0;
      for (const i of batch) {
        const end = next + rows[i]!.tokens.length - rows[i]!.promptLength;
        logProbs[i] = Float64Array.from(flat.subarray(next, end));
        next = end;
      }
    }
    return logProbs;
  }

  return {
    logProbs: (rows, scoring) => eachBatch(rows, undefined, () => {}, scoring),
    backward(rows, cotangents, addGradient, scoring) {
      const read = (outputs: Record<string, Tensor>) => {
        for (const [name, { data }] of Object.entries(outputs))
          if (name.startsWith(gradientPrefix)) addGradient(name.slice(gradientPrefix.length), data as Float32Array);
      };
      return eachBatch(rows, cotangents, read, scoring);
    },
    dispose: () => sessions.dispose(),
  };
}

/** Rows of similar length side by side; those of one picture together, so that it is encoded once. */
function microBatches(rows: readonly ScoredRow[], rowsAtOnce: number): number[][] {
  const order = rows
    .map((row, i) => ({
      i,
      length: roundUp(row.tokens.length, timeStep),
      grid: row.images.map(({ grid }) => grid.join("×")).join(),
    }))
    .sort((a, b) => (a.grid < b.grid ? -1 : a.grid > b.grid ? 1 : a.length - b.length || a.i - b.i))
    .map(({ i }) => i);
  const batches: number[][] = [];
  for (let first = 0; first < order.length; first += rowsAtOnce) batches.push(order.slice(first, first + rowsAtOnce));
  return batches;
}
