import { auditCots, type Example, evaluate, type VlmBackend } from "rise-ts";
import { type Outcome, winRate } from "rise-ts/metrics";
import type { EvaluationRecord } from "rise-ts/types";
import type { Parts } from "../pictures/moods";
import { areaUnderCurve } from "../statistics";
import { answerMaxTokens, sampling } from "./settings";
import type { DemoTask } from "./tasks";

/** How a row of the table does on one part of the data. */
export interface Scores {
  readonly metrics: Readonly<Record<string, number>>;
  /** The deciding metric, if it is a mean over pictures: each picture's value, and what it shows. */
  readonly each: readonly { readonly shows: string; readonly value: number }[];
}

export interface RowScores {
  readonly test: Scores;
  readonly unseen: Scores;
}

export const heldOut = ["test", "unseen"] as const;

/** A policy's likeliest answers to all held-out pictures. */
export async function scoreModel<A>(
  demo: DemoTask<A>,
  parts: Parts<A>,
  backend: VlmBackend,
  signal: AbortSignal,
): Promise<{ readonly scores: RowScores; readonly records: readonly EvaluationRecord<A>[] }> {
  const { task, metrics } = demo;
  const part = (dataset: readonly Example<A>[]) =>
    evaluate({ task, dataset, backend, metrics, maxTokens: answerMaxTokens, batchSize: 64, signal });
  const [test, unseen] = [await part(parts.test), await part(parts.unseen)];
  const scores = (dataset: readonly Example<A>[], { metrics: means, records }: typeof test): Scores => {
    const named = dataset.filter((example, i) => demo.names(example, records[i]!.think ?? "")).length;
    return {
      metrics: { ...means, named: named / dataset.length },
      each: each(
        demo,
        dataset,
        records.map(({ prediction }) => prediction),
      ),
    };
  };
  return {
    scores: { test: scores(parts.test, test), unseen: scores(parts.unseen, unseen) },
    records: test.records,
  };
}

/** The answers of a reference without a model. */
export function scoreReference<A>(
  demo: DemoTask<A>,
  predict: (example: Example<A>) => A,
  dataset: readonly Example<A>[],
): Scores {
  const predictions = dataset.map(predict);
  const outcomes: Outcome<A>[] = dataset.map(({ annotation }, i) => ({
    truth: annotation,
    prediction: predictions[i]!,
  }));
  return {
    metrics: Object.fromEntries(Object.entries(demo.metrics).map(([name, metric]) => [name, metric(outcomes)])),
    each: each(demo, dataset, predictions),
  };
}

function each<A>({ metrics }: DemoTask<A>, dataset: readonly Example<A>[], predictions: readonly (A | null)[]) {
  const metric = Object.values(metrics)[0]!;
  return dataset.map(({ annotation, metadata }, i) => ({
    shows: String(metadata!.target ?? metadata!.shows),
    value: metric([{ truth: annotation, prediction: predictions[i]! }]),
  }));
}

/** The worth of true thoughts about held-out pictures to a policy. */
export interface ThoughtWorth {
  readonly own: number;
  readonly empty: number;
  readonly other: number;
  /** How often a true thought earns more than another picture's beside the same picture, ties counted half. */
  readonly ahead: number;
  /** How well the reward tells true thoughts from others over all pictures: the area under its ROC curve. */
  readonly auc: number;
}

export async function thoughtWorth<A>(
  demo: DemoTask<A>,
  dataset: readonly Example<A>[],
  backend: VlmBackend,
): Promise<ThoughtWorth> {
  const { cots, similarity } = await audit(demo, dataset, backend, demo.trueCot);
  const earned = (by: "own" | "other") => cots.map(({ similarity }) => similarity[by]);
  return {
    own: similarity.own.mean,
    empty: similarity.empty.mean,
    other: similarity.other.mean,
    ahead: winRate(earned("own"), earned("other")).winRate,
    auc: areaUnderCurve(earned("own"), earned("other")),
  };
}

/** The worth of a true thought about a picture of another mood or place: the first one after each picture. */
export async function unlikeWorth<A>(
  demo: DemoTask<A>,
  dataset: readonly Example<A>[],
  backend: VlmBackend,
): Promise<number> {
  const unlike = (example: Example<A>) => {
    const at = dataset.indexOf(example);
    const others = [...dataset.slice(at), ...dataset.slice(0, at)];
    return others.find((other) => demo.kindOf(other) !== demo.kindOf(example))!;
  };
  const { similarity } = await audit(demo, dataset, backend, (example) => demo.trueCot(unlike(example)));
  return similarity.own.mean;
}

const audit = <A>(
  { task }: DemoTask<A>,
  dataset: readonly Example<A>[],
  backend: VlmBackend,
  cotOf: (example: Example<A>) => string,
) =>
  auditCots({
    task,
    dataset,
    backend,
    cots: dataset.map((example) => ({ exampleId: example.id, cot: cotOf(example) })),
    maxTokens: sampling.reconstructionMaxTokens,
    batchSize: 32,
  });
