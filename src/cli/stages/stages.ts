import { join } from "node:path";
import { type ConfigData, readData } from "../../config/data";
import { openBackend, openTrainer } from "../../config/engines";
import type { Config } from "../../config/read";
import { type RiseCotResult, riseCot } from "../../rise/rise-cot";
import { type RiseR1Result, riseR1 } from "../../rise/rise-r1";
import type { RatedCot } from "../../rollouts";
import type { Call } from "../frame/command";

/** The folders of a config's `runDir`. */
export const foldersIn = (runDir: string) => ({
  cot: join(runDir, "cot"),
  r1: join(runDir, "r1"),
  evaluation: join(runDir, "evaluation"),
  report: join(runDir, "report.html"),
});

/** Reads the data, and tells what it is. */
export async function prepareData(config: Config, { say }: Pick<Call, "say">): Promise<ConfigData> {
  const data = await readData(config);
  const { train, validation, test, omissions } = data;
  for (const { where, reason } of omissions) say(`left out: ${where}: ${reason}`);
  say(`${train.length} examples to learn from, ${validation.length} for validation, ${test.length} held out`);
  return data;
}

/** Runs stage 1, which says on stderr how it goes. */
export async function runCot(config: Config, data: ConfigData, call: Call): Promise<RiseCotResult<unknown>> {
  const policy = config.backend ? { backend: () => openBackend(config) } : { trainer: () => openTrainer(config) };
  return riseCot({
    ...config.cot,
    ...policy,
    ...common(config, data, call),
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
