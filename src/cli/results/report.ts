import { resolve } from "node:path";
import { setTimeout } from "node:timers/promises";
import { readData } from "../../config/data";
import { count, text } from "../../options/spec";
import { stopOnInterrupt } from "../../runs/stop-on-interrupt";
import type { Command } from "../frame/command";
import { writeReport } from "./write-report";

/** Writes a page about what a config's `runDir` holds. */
export const report: Command = {
  sections: { short: [], long: ["task", "data"] },
  flags: {
    out: text().optional().describe("The page to write; report.html in runDir without it"),
    watch: count().optional().describe("Seconds after which it is written again, and browsers read it, until Ctrl-C"),
  },
  async run(call) {
    const config = await call.config();
    const { out, watch } = call.flags as { out?: string; watch?: number };
    const data = await readData(config);
    const write = () => writeReport(config, data, out && resolve(call.folder, out), watch);
    const file = await write();
    if (watch !== undefined) {
      call.say(`Report: ${file}, written again every ${watch} s; Ctrl-C ends it`);
      const stop = stopOnInterrupt(() => {});
      const wait = () => setTimeout(watch * 1000, true, { signal: stop }).catch(() => false);
      while (await wait()) await write();
    }
    return { result: { report: file }, text: `Report: ${file}` };
  },
};
