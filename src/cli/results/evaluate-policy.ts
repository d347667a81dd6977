import { withPolicy } from "../../config/engines";
import type { Config } from "../../config/read";
import { evaluate } from "../../evaluation/evaluate";
import type { Evaluation } from "../../evaluation/records";
import type { Metrics } from "../../metrics/metric";
import { classificationMetrics, detectionMetrics, segmentationMetrics } from "../../metrics/task-metrics";
import { counted } from "../../options/display";
import type { Task } from "../../task";
import type { Example } from "../../types";
import type { Call, Outcome } from "../frame/command";
import { decimals, table } from "../frame/output";

const metricsOf = {
  classification: classificationMetrics,
  detection: detectionMetrics,
  segmentation: segmentationMetrics,
} as const;

/** The metrics of a config's kind of task; a task of one's own has only those of every task. */
export const taskMetrics = ({ kinds: { task } }: Pick<Config, "kinds">): Metrics<unknown> =>
  task === undefined ? {} : (metricsOf[task] as Metrics<never> as Metrics<unknown>);

interface Asked {
  readonly config: Config;
  readonly task: Task<unknown>;
  readonly dataset: readonly Example<unknown>[];
  /** `"base"`, a run's folder, or a checkpoint. */
  readonly policy: string;
  /** The folder of the evaluation. */
  readonly runDir: string;
  readonly call: Call;
}

/** Evaluates a policy on examples. */
export async function evaluatePolicy({ config, task, dataset, policy, runDir, call }: Asked): Promise<Outcome> {
  return withPolicy(config, policy, runDir, async (backend, name) => {
    call.say(`evaluates ${counted(dataset.length, "example")} with ${name}`);
    const evaluation = await evaluate({
      ...config.evaluate,
      task,
      dataset,
      backend,
      metrics: taskMetrics(config),
      seed: config.seed,
      resume: config.resume,
      runDir,
      signal: call.stop(),
    });
    const { metrics, intervals, failures, repairs } = evaluation;
    const result = { runDir, policy: name, examples: dataset.length, metrics, intervals, failures, repairs };
    return {
      result,
      text: `${metricsTable(evaluation)}\n\n${counted(dataset.length, "example")}, ${failures} failed. Files: ${runDir}`,
    };
  });
}

export const metricsTable = ({ metrics, intervals }: Pick<Evaluation<unknown, string>, "metrics" | "intervals">) =>
  table([
    ["metric", "value", "low", "high"],
    ...Object.entries(metrics).map(([name, value]) => {
      const { low, high } = intervals[name]!;
      return [name, ...[value, low, high].map((number) => decimals(number))];
    }),
  ]);
