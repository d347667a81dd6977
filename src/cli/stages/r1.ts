import { join, resolve } from "node:path";
import { counted } from "../../options/display";
import { text } from "../../options/spec";
import type { Command } from "../frame/command";
import { foldersIn } from "../frame/folders";
import { readCots } from "../frame/rows";
import { prepareData, runR1 } from "./stages";

/** Stage 2. */
export const r1: Command = {
  sections: { short: ["r1", "trainer"], long: ["task", "data"] },
  flags: {
    cots: text().optional().describe("The thoughts to imitate, from stage 1; cot/cots.jsonl in runDir without it"),
  },
  async run(call) {
    const config = await call.config();
    const data = await prepareData(config, call);
    const { cot, r1: runDir } = foldersIn(config.runDir);
    const { cots = join(cot, "cots.jsonl") } = call.flags;
    const thoughts = config.r1?.sft === false ? [] : await readCots(resolve(call.folder, String(cots)));
    const { kept, adapter, best } = await runR1(config, data, thoughts, call);
    const result = { runDir, imitated: kept.length, weights: adapter, best };
    const text = `Imitated ${counted(kept.length, "thought")}. Weights: ${adapter ?? "none"}. Next: npx rise-ts eval, or npx rise-ts annotate IMAGES`;
    return { result, text };
  },
};
