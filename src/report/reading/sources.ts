import { basename, dirname, resolve } from "node:path";
import { readEvaluation } from "../../evaluation/directory";
import type { Evaluation, EvaluationRecord } from "../../evaluation/records";
import type { PageExample } from "../elements/page";
import { mostCharacters } from "../elements/text";
import {
  type ContextRecords,
  isEvaluation,
  type RolloutGroup,
  type RunRecords,
  readContext,
  readExamples,
  readRun,
} from "./run-records";

/** The folder of a run or of an evaluation, as far as it was read. */
export type Source = {
  readonly title: string;
  readonly context: ContextRecords;
  /** The examples that the folder names. */
  readonly examples: KnownExamples;
} & (
  | { readonly kind: "run"; readonly run: RunRecords }
  | { readonly kind: "evaluation"; readonly evaluation: Evaluation<unknown, string> }
);

/** Examples by id, as far as they are known. */
export type KnownExamples = ReadonlyMap<string, PageExample<unknown>>;

/**
 * Reads a folder.
 * @param onGroup receives every group of rollouts
 * @throws CheckpointError for a folder that is neither a run's nor an evaluation's, or is damaged
 */
export async function readSource(
  { title, runDir }: { readonly title?: string | undefined; readonly runDir: string },
  onGroup: (group: RolloutGroup) => void,
): Promise<Source> {
  const examples = new Map<string, PageExample<unknown>>();
  const learn = (id: string, more: Partial<PageExample<unknown>>) =>
    examples.set(id, { id, ...examples.get(id), ...more });
  const name = title ?? nameOf(runDir);
  for (const { id, image, subject } of await readExamples(runDir))
    learn(id, { ...(image !== undefined && { image }), ...(subject !== undefined && { subject }) });
  if (await isEvaluation(runDir)) {
    const evaluation = await readEvaluation<unknown>(runDir);
    for (const { exampleId, truth } of evaluation.records) learn(exampleId, { annotation: truth });
    return { title: name, kind: "evaluation", evaluation, examples, context: await readContext(runDir) };
  }
  const run = await readRun(runDir, (group) => {
    const [{ exampleId, truth }] = group;
    if (truth !== undefined) learn(exampleId, { annotation: truth });
    onGroup(group);
  });
  for (const { exampleId, annotation } of run.cots) if (annotation !== undefined) learn(exampleId, { annotation });
  return { title: name, kind: "run", run, examples, context: run };
}

/** The last two folders of a path, or the one that "." stands for. */
export const nameOf = (runDir: string): string =>
  [basename(dirname(runDir)), basename(runDir)].filter((name) => name !== "" && name !== ".").join("/") ||
  basename(resolve(runDir));

export function answerRow(
  record: Partial<EvaluationRecord<unknown>> & { readonly exampleId: string; readonly text: string },
) {
  const { exampleId, text, finishReason, prediction, metrics, failure, repairs } = record;
  const reward = metrics?.similarity;
  return {
    exampleId,
    stage: "evaluation",
    step: 0,
    index: 0,
    completion: { text: text.slice(0, mostCharacters), length: text.length, isClipped: finishReason === "length" },
    prediction,
    reward: {
      ...(Number.isFinite(reward) && { reward }),
      leaks: [],
      format: failure === undefined ? { ok: true } : { ok: false, reason: failure },
      repairs: repairs && [...repairs],
    },
  };
}
