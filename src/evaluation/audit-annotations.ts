import { checkArguments, fieldsKind, listKind, objectKind, textKind } from "../options/arguments";
import type { Reward } from "../rollouts";
import type { Task } from "../task";

/** A rollout of either stage, as far as an audit looks at it. */
export interface Judged<A> {
  readonly exampleId: string;
  readonly prediction: A | null;
  readonly reward: Pick<Reward, "similarity">;
}

/** How suspect one example's annotation is. */
export interface AnnotationAudit<A> {
  readonly exampleId: string;
  /** `agreement · (1 − similarity)`, in [0, 1]. */
  readonly suspicion: number;
  /** Mean similarity of the predictions to each other, both ways; one that does not parse agrees with none. */
  readonly agreement: number;
  /** Mean S(A, Â). */
  readonly similarity: number;
  /** The prediction closest to all others: what the annotation should perhaps have been; `null` when none parses. */
  readonly consensus: A | null;
  readonly rollouts: number;
}

/**
 * Ranks annotations by how much they look like mistakes: predictions, each reasoned to by a cot of its own, agree with
 * each other and not with A. Low reward alone may only mean a hard image; low reward that all rollouts share points at
 * the annotation.
 *
 * @param rollouts of any number of examples, in any order; groups of one cannot agree and are left out
 * @param task whose similarity compares two predictions
 * @returns most suspect first; ties in the order of the rollouts Beyond RISE, which keeps only rewards.
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
