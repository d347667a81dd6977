import type { Command } from "../frame/command";
import { prepareData, runAll } from "./stages";

/** Both stages, the evaluation of held-out examples, and the report. */
export const run: Command = {
  sections: { short: ["trainer"], long: ["task", "data", "cot", "r1", "evaluate", "backend"] },
  async run(call) {
    const config = await call.config();
    return runAll(config, await prepareData(config, call), call);
  },
};
