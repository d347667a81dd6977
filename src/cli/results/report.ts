import { resolve } from "node:path";
import { readData } from "../../config/data";
import { text } from "../../options/spec";
import type { Command } from "../frame/command";
import { writeReport } from "./write-report";

/** Writes a page about what a config's `runDir` holds. */
export const report: Command = {
  sections: { short: [], long: ["task", "data"] },
  flags: { out: text().optional().describe("The page to write; report.html in runDir without it") },
  async run(call) {
    const config = await call.config();
    const { out } = call.flags as { out?: string };
    const file = await writeReport(config, await readData(config), out && resolve(call.folder, out));
    return { result: { report: file }, text: `Report: ${file}` };
  },
};
