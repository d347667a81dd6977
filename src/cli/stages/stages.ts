import { type ConfigData, readData } from "../../config/data";
import { openBackend, openTrainer } from "../../config/engines";
import type { Config } from "../../config/read";
import { counted } from "../../options/display";
import { type RiseCotResult, riseCot } from "../../rise/rise-cot";
import { type RiseR1Result, riseR1 } from "../../rise/rise-r1";
import type { RatedCot } from "../../rollouts";
import { holdsRun } from "../../runs/directory/claim";
import type { Call, Outcome } from "../frame/command";
import { foldersIn } from "../frame/folders";
import { evaluatePolicy } from "../results/evaluate-policy";
import { writeReport } from "../results/write-report";

/** Reads the data, and tells what it is. */
export async function prepareData(config: Config, { say }: Pick<Call, "say">): Promise<ConfigData> {
  const data = await readData(config);
  const { train, validation, test, omissions } = data;
  for (const { where, reason } of omissions) say(`left out: ${where}: ${reason}`);
  say(
    `${counted(train.length, "example")} to learn from, ${validation.length} for validation, ${test.length} held out`,
  );
  return data;
}

/** Runs stage 1, which says on stderr how it goes. */
export async function runCot(config: Config, data: ConfigData, call: Call): Promise<RiseCotResult<unknown>> {
  const policy = config.backend ? { backend: () => openBackend(config) } : { trainer: () => openTrainer(config) };
  return riseCot({
    ...config.cot,
    ...policy,
    ...common(config, data, call),
    // A backend's cots are not measured on the way.
    ...(config.backend && { heldOut: [] }),
    runDir: foldersIn(config.runDir).cot,
  });
}

/** Runs stage 2 on the thoughts of stage 1. */
export async function runR1(
  config: Config,
  data: ConfigData,
  cots: readonly RatedCot<unknown>[],
  call: Call,
): Promise<RiseR1Result<unknown>> {
  return riseR1({
    ...config.r1,
    ...common(config, data, call),
    cots,
    trainer: () => openTrainer(config),
    runDir: foldersIn(config.runDir).r1,
  });
}

/** Runs both stages, the evaluation of held-out examples, and the report. */
export async function runAll(config: Config, data: ConfigData, call: Call): Promise<Outcome> {
  const { cot, r1, evaluation } = foldersIn(config.runDir);
  for (const folder of [cot, r1, evaluation]) await holdsRun(folder, config.resume);
  const { dataset, kept } = await runCot(config, data, call);
  call.say(`keeps ${kept.length} of ${counted(dataset.length, "thought")}, by the threshold`);
  const { adapter } = await runR1(config, data, dataset, call);
  const evaluated =
    data.test.length > 0
      ? await evaluatePolicy({ config, task: data.task, dataset: data.test, policy: r1, runDir: evaluation, call })
      : undefined;
  const report = await writeReport(config, data);
  const text = [
    evaluated?.text ?? "Nothing is held out, so nothing was measured: set data.test.",
    `Weights: ${adapter ?? "none"}. Report: ${report}. Next: npx rise-ts annotate IMAGES`,
  ].join("\n\n");
  const result = { thoughts: dataset.length, kept: kept.length, weights: adapter, ...evaluated?.result, report };
  return { result, text };
}

const common = (
  { seed, resume, data: { onOmission } }: Config,
  { task, train, validation }: ConfigData,
  call: Call,
) => ({
  task,
  dataset: train,
  heldOut: validation,
  seed,
  resume,
  stop: call.stop(),
  ...(onOmission === "list" && {
    onOmission: ({ where, reason }: { where: string; reason: string }) => call.say(`left out: ${where}: ${reason}`),
  }),
});
