import { join, resolve } from "node:path";
import { readData } from "../../config/data";
import { ConfigError } from "../../errors";
import { choice, text } from "../../options/spec";
import type { Command } from "../frame/command";
import { foldersIn } from "../frame/folders";
import { evaluatePolicy } from "./evaluate-policy";

/** Evaluates a model on held-out examples. */
export const evalCommand: Command = {
  sections: { short: ["evaluate"], long: ["task", "data", "trainer", "backend"] },
  flags: {
    policy: text().optional().describe('"base", or the folder of a run or a checkpoint; stage 2 in runDir without it'),
    split: choice(["test", "validation", "train"]).default("test").describe("The examples to answer"),
    out: text().optional().describe("The folder of the evaluation; one in runDir, by policy and split, without it"),
  },
  async run(call) {
    const config = await call.config();
    const data = await readData(config);
    const split = call.flags.split as "test" | "validation" | "train";
    const dataset = data[split];
    if (dataset.length === 0)
      throw new ConfigError(
        `data.${split}: expected examples to evaluate, got none; set it, such as data.${split}: 0.2`,
      );
    const { policy = join(config.runDir, "r1") } = call.flags as { policy?: string };
    const { evaluation, evaluationBase } = foldersIn(config.runDir);
    const folder = policy === "base" ? evaluationBase : evaluation;
    const { out = split === "test" ? folder : `${folder}-${split}` } = call.flags as { out?: string };
    const from = policy === "base" ? policy : resolve(call.folder, policy);
    return evaluatePolicy({ config, task: data.task, dataset, policy: from, runDir: resolve(call.folder, out), call });
  },
};
