import { ShapeError, TrainingError } from "../../errors";
import type { Row } from "../../models/inputs/row";
import type { VisionLanguageModel } from "../../models/open-model";
import { discard } from "../../onnx/runtime/free";
import type { Policy } from "../policy";
import { microBatches, planBatch } from "../shared-prefixes";
import {
  type Asked,
  type Cotangents,
  createRunner,
  gradientsIn,
  type Outputs,
  type Runner,
  type RunnerOptions,
  type Scoring,
} from "./runner";

export type { Scoring } from "./runner";

export interface TrainingPassOptions extends RunnerOptions {
  readonly rowsAtOnce: number;
}

/** A pass's numbers for every scored token, in nats. */
interface Scores {
  readonly logProbs: Float64Array[];
  readonly entropies?: Float64Array[];
}

/** Forward and backward passes of the whole network over rows of any length, some at a time. */
export interface TrainingPass {
  /** log π of every scored token. */
  logProbs(rows: readonly Row[], scoring?: Scoring): Promise<Float64Array[]>;
  /** The entropy of the distribution that every scored token was chosen from. */
  entropies(rows: readonly Row[], scoring?: Scoring): Promise<Float64Array[]>;
  /**
   * Returns log-probs, and entropies if they have cotangents. Once a micro-batch, calls `addGradient` with
   * ∂(⟨cotangents, logProbs⟩ + ⟨entropyCotangents, entropies⟩)/∂w of every trained tensor, which is freed afterwards.
   */
  backward(
    rows: readonly Row[],
    cotangents: readonly ArrayLike<number>[],
    addGradient: (name: string, gradient: Float32Array) => void,
    scoring?: Scoring & { readonly entropyCotangents?: readonly ArrayLike<number>[] | undefined },
  ): Promise<Scores>;
  dispose(): Promise<void>;
}

export function createTrainingPass(
  { architecture }: Pick<VisionLanguageModel, "architecture">,
  policy: Policy,
  options: TrainingPassOptions,
): TrainingPass {
  const runner = createRunner(architecture, policy, options);
  let isDisposed = false;
  const scored = async (
    rows: readonly Row[],
    cotangents: Cotangents | undefined,
    read: (outputs: Outputs) => void,
    asked: Asked = {},
  ) => {
    if (isDisposed) throw new TrainingError("trainer: expected an open one, got one after dispose(); make a new one");
    return eachBatch(runner.run, rows, options.rowsAtOnce, cotangents, read, asked);
  };
  return {
    logProbs: async (rows, scoring) => (await scored(rows, undefined, () => {}, scoring)).logProbs,
    entropies: async (rows, scoring) =>
      (await scored(rows, undefined, () => {}, { ...scoring, entropies: true })).entropies!,
    backward(rows, logProbs, addGradient, { entropyCotangents: entropies, ...scoring } = {}) {
      const read = (outputs: Outputs) => {
        for (const [name, gradient] of gradientsIn(outputs)) addGradient(name, gradient);
      };
      return scored(rows, { logProbs, entropies }, read, { ...scoring, entropies: entropies !== undefined });
    },
    dispose() {
      isDisposed = true;
      return runner.dispose();
    },
  };
}

/** Runs micro-batches one after the other and puts their results in the order of the rows. */
async function eachBatch(
  run: Runner["run"],
  rows: readonly Row[],
  rowsAtOnce: number,
  cotangents: Cotangents | undefined,
  read: (outputs: Outputs) => void,
  asked: Asked,
): Promise<Scores> {
  rows.forEach(({ promptLength }, r) => {
    if (promptLength < 1)
      throw new ShapeError(`row ${r}: expected at least one token before those that are scored, got ${promptLength}`);
  });
  const empty = () => rows.map(() => new Float64Array(0));
  const scores: Scores = { logProbs: empty(), ...(asked.entropies && { entropies: empty() }) };
  for (const batch of microBatches(rows, rowsAtOnce)) {
    asked.signal?.throwIfAborted();
    const order = batch.flatMap((group) => group.rows);
    const outputs = await run(planBatch(rows, batch), cotangents && inOrder(cotangents, order), asked);
    read(outputs);
    for (const [name, figures] of Object.entries(scores)) {
      const flat = outputs[name]!.data as Float32Array;
      let next = 0;
      for (const i of order) {
        const end = next + rows[i]!.tokens.length - rows[i]!.promptLength;
        figures[i] = Float64Array.from(flat.subarray(next, end));
        next = end;
      }
    }
    discard(Object.values(outputs));
  }
  return scores;
}

const inOrder = ({ logProbs, entropies }: Cotangents, order: readonly number[]): Cotangents => ({
  logProbs: order.map((i) => logProbs[i]!),
  entropies: entropies && order.map((i) => entropies[i]!),
});
