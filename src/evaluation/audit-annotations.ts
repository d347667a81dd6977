import { checkArguments, fieldsKind, listKind, objectKind, textKind } from "../options/arguments";
import type { Reward } from "../rollouts";
import type { Task } from "../task";

/** The fields of a rollout, of either stage, that an audit reads. */
export interface Judged<A> {
  readonly exampleId: string;
  readonly prediction: A | null;
  readonly reward: Pick<Reward, "similarity">;
}

/** The evidence against one example's annotation. */
export interface AnnotationAudit<A> {
  readonly exampleId: string;
  /** `agreement · (1 − similarity)`, in [0, 1]. */
  readonly suspicion: number;
  /** Mean similarity of the predictions to each other, both ways; 0 for a prediction that does not parse. */
  readonly agreement: number;
  /** Mean S(A, Â). */
  readonly similarity: number;
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
 * @returns most suspect first; ties in the order of the rollouts
 * @example
 * const [worst] = auditAnnotations(rollouts, task); // { exampleId: "7", suspicion: 0.9, consensus: …, … }
 */
export function auditAnnotations<A>(rollouts: readonly Judged<A>[], task: Task<A>): AnnotationAudit<A>[] {
  checkArguments(
    "auditAnnotations",
    { rollouts, task },
    { rollouts: listKind(fieldsKind({ exampleId: textKind })), task: objectKind },
  );
  const groups = new Map<string, Judged<A>[]>();
  for (const rollout of rollouts) {
    const group = groups.get(rollout.exampleId);
    if (group) group.push(rollout);
    else groups.set(rollout.exampleId, [rollout]);
  }
  return [...groups]
    .filter(([, group]) => group.length >= 2)
    .map(([exampleId, group]) => auditGroup(exampleId, group, task))
    .sort((a, b) => b.suspicion - a.suspicion);
}

function auditGroup<A>(exampleId: string, group: readonly Judged<A>[], task: Task<A>): AnnotationAudit<A> {
  const similarity = mean(group.map(({ reward }) => reward.similarity));
  const closeness = group.map((one) =>
    mean(group.filter((other) => other !== one).map((other) => between(one, other, task))),
  );
  const agreement = mean(closeness);
  const parsed = group.flatMap(({ prediction }, i) =>
    prediction === null ? [] : [{ prediction, closeness: closeness[i]! }],
  );
  const [closest] = parsed.sort((a, b) => b.closeness - a.closeness);
  return {
    exampleId,
    suspicion: agreement * (1 - similarity),
    agreement,
    similarity,
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
