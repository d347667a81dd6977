import { existsSync } from "node:fs";
import { cp, rm, writeFile } from "node:fs/promises";
import { join, relative, resolve } from "node:path";
import type { ConfigData } from "../../config/data";
import type { Config } from "../../config/read";
import { absolutePaths, type Values, withValue } from "../../config/values";
import { CheckpointError } from "../../errors";
import { writingTo } from "../../files/refusals";
import { counted } from "../../options/display";
import { count, text } from "../../options/spec";
import { demoFiles } from "../../testing/demo-files";
import type { Call, Command } from "../frame/command";
import { foldersIn } from "../frame/folders";
import { decimals, table } from "../frame/output";
import { configText } from "../inputs/config-text";
import { evaluatePolicy } from "../results/evaluate-policy";
import { prepareData, runAll } from "./stages";

/** Runs all of RISE on a tiny model and images that come with the package. */
export const demo: Command = {
  sections: { short: ["trainer"], long: ["cot", "r1", "evaluate"] },
  flags: {
    dir: text().default("rise-demo").describe("The folder of the demo, which holds its model, images, config and runs"),
    steps: count().optional().describe("Steps of every stage; with 2, the demo shows the way and learns nothing"),
  },
  async run(call) {
    const { dir: name, steps } = call.flags as { dir: string; steps?: number };
    const dir = resolve(call.folder, name);
    const config = await call.config(absolutePaths(demoConfig(steps), dir));
    const isNew = await prepareFolder(dir, config);
    const data = await prepareData(config, call);
    const before = await evaluateBefore(config, data, call).catch(async (error: unknown) => {
      // A model that cannot be loaded leaves nothing to resume.
      if (isNew && !existsSync(config.runDir)) await rm(dir, { recursive: true });
      throw error;
    });
    const { result } = await runAll(config, data, call);
    const after = result as unknown as Evaluated & { readonly report: string };
    const rows = Object.entries(before.metrics).map(([metric, value]) => [
      metric,
      decimals(value),
      decimals(after.metrics[metric]!),
    ]);
    const here = relative(call.folder, dir) || ".";
    return {
      result: { dir, before: before.metrics, ...after },
      text: [
        `${counted(data.test.length, "image")} that training never showed:`,
        table([["metric", "before", "after"], ...rows]),
        `Report: ${after.report}`,
        `Next: cd ${here} && npx rise-ts annotate images, or with your own images: npx rise-ts init FOLDER`,
      ].join("\n\n"),
    };
  },
};

interface Evaluated {
  readonly metrics: Readonly<Record<string, number>>;
}

/** The demo's config, with as many steps in every stage. */
const demoConfig = (steps: number | undefined): Values =>
  steps === undefined
    ? demoFiles().config
    : ["cot.steps", "r1.sft.steps", "r1.rft.steps"].reduce<Values>(
        (config, option) => withValue(config, option.split("."), steps),
        demoFiles().config,
      );

/**
 * Copies the files, and writes the config as `rise-ts init` does, so that the folder stands alone.
 * @returns whether the folder is new
 */
async function prepareFolder(dir: string, { given, kinds, resume }: Config): Promise<boolean> {
  const file = join(dir, "rise.config.yaml");
  const isNew = !existsSync(dir);
  if (!isNew && !(resume && existsSync(file)))
    throw new CheckpointError(
      `${dir}: expected no such folder yet, got one; pass --dir with another name, or --resume to finish the demo in it`,
    );
  const { folder } = demoFiles();
  await writingTo(dir, async () => {
    await cp(folder, dir, { recursive: true, filter: (path) => path !== join(folder, "config.json") });
    await writeFile(file, configText(given, kinds, dir));
  });
  return isNew;
}

async function evaluateBefore(config: Config, { task, test }: ConfigData, call: Call): Promise<Evaluated> {
  const { evaluationBase: runDir } = foldersIn(config.runDir);
  const { result } = await evaluatePolicy({ config, task, dataset: test, policy: "base", runDir, call });
  return result as unknown as Evaluated;
}
