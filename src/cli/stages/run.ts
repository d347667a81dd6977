import type { Command } from "../frame/command";
import { evaluatePolicy } from "../results/evaluate-policy";
import { writeReport } from "../results/write-report";
import { foldersIn, prepareData, runCot, runR1 } from "./stages";

/** Both stages, the evaluation of held-out examples, and the report. */
export const run: Command = {
  sections: { short: ["trainer"], long: ["task", "data", "cot", "r1", "evaluate", "backend"] },
  async run(call) {
    const config = await call.config();
    const data = await prepareData(config, call);
    const { dataset, kept } = await runCot(config, data, call);
    call.say(`${kept.length} of ${dataset.length} thoughts reach the threshold`);
    const { adapter } = await runR1(config, data, dataset, call);
    const { r1, evaluation } = foldersIn(config.runDir);
    const evaluated =
      data.test.length > 0
        ? await evaluatePolicy({ config, task: data.task, dataset: data.test, policy: r1, runDir: evaluation, call })
        : undefined;
    const report = await writeReport(config, data);
    const text = [
      evaluated?.text ?? "Nothing is held out, so nothing was measured: set data.test.",
      `Weights: ${adapter ?? "none"}. Report: ${report}. Next: npx rise-ts annotate.`,
    ].join("\n\n");
    const result = { thoughts: dataset.length, kept: kept.length, weights: adapter, ...evaluated?.result, report };
    return { result, text };
  },
};
