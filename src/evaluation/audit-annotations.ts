import { DataError } from "../errors";
import { checkArguments, fieldsKind, listKind, objectKind, textKind } from "../options/arguments";
import { given, readOptions, specOf } from "../options/spec";
import type { Reward } from "../rollouts";
import { checkExamples } from "../runs/examples/check-examples";
import type { Task } from "../task";
import type { Example } from "../types";

/** The fields of a rollout, of either stage, that an audit reads. */
export interface Judged<A> {
  readonly exampleId: string;
  readonly prediction: A | null;
  readonly reward: Pick<Reward, "similarity">;
}

/** Options of `auditAnnotations`. */
export interface AuditAnnotationsOptions<A> {
  /**
   * The examples of the rollouts. With them, an annotation is held to what similar annotations earn, since some are
   * harder to predict than others.
   */
  readonly dataset?: readonly Example<A>[];
}

const auditAnnotationsSpec = specOf<AuditAnnotationsOptions<unknown>>()(() => ({
  dataset: given("an array of examples").optional().describe("The examples of the rollouts"),
}));

/** The evidence against one example's annotation. */
export interface AnnotationAudit<A> {
  readonly exampleId: string;
  /** `agreement · max(0, expected − similarity)`, in [0, 1]. */
  readonly suspicion: number;
  /** Mean similarity of the predictions to each other, both ways; 0 for a prediction that does not parse. */
  readonly agreement: number;
  /** Mean S(A, Â). */
  readonly similarity: number;
  /**
   * The similarity that such an annotation usually has: the median of the ten examples whose annotations are most
   * similar to A (of 500 at most), or of all if fewer than ten are at least half similar, as boxes seldom are; 1
   * without a `dataset`, and for an example that is alone in it.
   */
  readonly expected: number;
  /** The prediction closest to all others, perhaps the right annotation; `null` if no prediction parses. */
  readonly consensus: A | null;
  readonly rollouts: number;
}

/**
 * Ranks annotations by how much they look like mistakes: the predictions, each from its own cot, agree with each other
 * and not with A. Low reward alone may only mean a hard image; a wrong answer that all rollouts share points at the
 * annotation. This goes beyond RISE, which keeps only rewards.
 *
 * @param rollouts rollouts of any examples, in any order; an example with one rollout is left out
 * @param task the task, whose similarity compares two predictions
 * @param options the `dataset`, with which errors are found far more often (docs/results.md)
 * @returns most suspect first; ties in the order of the rollouts
 * @throws DataError for a rollout whose example is missing in the dataset
 * @example
 * const [worst] = auditAnnotations(rollouts, task, { dataset }); // { exampleId: "7", suspicion: 0.9, consensus: …, … }
 */
export function auditAnnotations<A>(
  rollouts: readonly Judged<A>[],
  task: Task<A>,
  options: AuditAnnotationsOptions<A> = {},
): AnnotationAudit<A>[] {
  const where = "auditAnnotations";
  checkArguments(
    where,
    { rollouts, task },
    { rollouts: listKind(fieldsKind({ exampleId: textKind })), task: objectKind },
  );
  const { dataset } = readOptions(where, options, auditAnnotationsSpec);
  const groups = new Map<string, Judged<A>[]>();
  for (const rollout of rollouts) {
    const group = groups.get(rollout.exampleId);
    if (group) group.push(rollout);
    else groups.set(rollout.exampleId, [rollout]);
  }
  const audits = [...groups]
    .filter(([, group]) => group.length >= 2)
    .map(([exampleId, group]) => auditGroup(exampleId, group, task));
  return suspected(dataset ? expectedFrom(audits, annotationsOf(audits, task, dataset), task) : audits);
}

const suspected = <A>(audits: readonly AnnotationAudit<A>[]): AnnotationAudit<A>[] =>
  audits
    .map((audit) => ({ ...audit, suspicion: audit.agreement * Math.max(0, audit.expected - audit.similarity) }))
    .sort((a, b) => b.suspicion - a.suspicion);

/** The annotations of audited examples, in their order. */
function annotationsOf<A>(audits: readonly AnnotationAudit<A>[], task: Task<A>, dataset: readonly Example<A>[]): A[] {
  checkExamples(task, dataset);
  const annotations = new Map(dataset.map(({ id, annotation }) => [id, annotation]));
  return audits.map(({ exampleId }) => {
    if (annotations.has(exampleId)) return annotations.get(exampleId)!;
    throw new DataError(
      `auditAnnotations: expected the dataset to hold the example of each rollout, got none with the id "${exampleId}"`,
    );
  });
}

const neighbours = 10;
const mostCompared = 500;

/** Every annotation against `mostCompared` others at most, evenly spaced: all pairs of a large dataset take hours. */
function expectedFrom<A>(
  audits: readonly AnnotationAudit<A>[],
  annotations: readonly A[],
  task: Task<A>,
): AnnotationAudit<A>[] {
  const stride = Math.max(1, audits.length / mostCompared);
  const compared = Array.from({ length: Math.min(audits.length, mostCompared) }, (_, i) => Math.floor(i * stride));
  return audits.map((audit, i) => {
    const others = compared
      .filter((other) => other !== i)
      .map((other) => ({ other, closeness: task.similarity(annotations[i]!, annotations[other]!) }));
    const alike = others.filter(({ closeness }) => closeness >= 0.5).sort((a, b) => b.closeness - a.closeness);
    const usual = alike.length < neighbours ? others : alike.slice(0, neighbours);
    return usual.length === 0
      ? audit
      : { ...audit, expected: median(usual.map(({ other }) => audits[other]!.similarity)) };
  });
}

function auditGroup<A>(exampleId: string, group: readonly Judged<A>[], task: Task<A>): AnnotationAudit<A> {
  const similarity = mean(group.map(({ reward }) => reward.similarity));
  const closeness = group.map((one) =>
    mean(group.filter((other) => other !== one).map((other) => between(one, other, task))),
  );
  const parsed = group.flatMap(({ prediction }, i) =>
    prediction === null ? [] : [{ prediction, closeness: closeness[i]! }],
  );
  const [closest] = parsed.sort((a, b) => b.closeness - a.closeness);
  return {
    exampleId,
    suspicion: 0,
    agreement: mean(closeness),
    similarity,
    expected: 1,
    consensus: closest?.prediction ?? null,
    rollouts: group.length,
  };
}

/** Similarity is not symmetric (KLD, N_g): both directions count. */
function between<A>(a: Judged<A>, b: Judged<A>, task: Task<A>): number {
  if (a.prediction === null || b.prediction === null) return 0;
  return (task.similarity(a.prediction, b.prediction) + task.similarity(b.prediction, a.prediction)) / 2;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1]! + sorted[sorted.length >> 1]!) / 2;
}
