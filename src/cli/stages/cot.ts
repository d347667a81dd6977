import { counted } from "../../options/display";
import type { Command } from "../frame/command";
import { foldersIn } from "../frame/folders";
import { decimals } from "../frame/output";
import { prepareData, runCot } from "./stages";

/** Stage 1. */
export const cot: Command = {
  sections: { short: ["cot", "trainer"], long: ["task", "data", "backend"] },
  async run(call) {
    const config = await call.config();
    const { dataset, kept, failed, best } = await runCot(config, await prepareData(config, call), call);
    const runDir = foldersIn(config.runDir).cot;
    const mean = dataset.reduce((sum, { reward }) => sum + reward, 0) / Math.max(1, dataset.length);
    const lines = [
      `Kept ${kept.length} of ${counted(dataset.length, "thought")}, by the threshold; the mean reward is ${decimals(mean)}.`,
      ...failed.map(({ exampleId, message }) => `Example ${exampleId} failed: ${message}`),
      `Files: ${runDir}. Next: npx rise-ts r1, or npx rise-ts report.`,
    ];
    const result = { runDir, thoughts: dataset.length, kept: kept.length, meanReward: mean, failed, best };
    return { result, text: lines.join("\n") };
  },
};
