import { resolve } from "node:path";
import { setTimeout } from "node:timers/promises";
import { readData } from "../../config/data";
import { count, text } from "../../options/spec";
import { stopOnInterrupt } from "../../runs/stop-on-interrupt";
import type { Call, Command } from "../frame/command";
import { reportOn, writeReport } from "./write-report";

/** A day: Node's timers fire at once beyond 24 of them. */
const longestWatch = 86_400;

/** Writes a page about the folders of runs and evaluations, or about what a config's `runDir` holds. */
export const report: Command = {
  operands: [
    {
      name: "DIR",
      help: "folders of runs and evaluations; the config's runDir without them",
      isOptional: true,
      isList: true,
    },
  ],
  sections: { short: [], long: ["task", "data"], without: ["model", "resume", "seed"] },
  flags: {
    out: text().optional().describe("The page to write; report.html in the first folder without it"),
    watch: count()
      .max(longestWatch, `a whole number from 1 to ${longestWatch}`)
      .optional()
      .describe("Seconds after which it is written again, and browsers read it, until Ctrl-C"),
  },
  async run(call) {
    const { out, watch } = call.flags as { out?: string; watch?: number };
    const write = await writerOf(call, out && resolve(call.folder, out), watch);
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

/** Writes the page once, and returns its path. */
async function writerOf(call: Call, out?: string, watch?: number): Promise<() => Promise<string>> {
  const folders = call.operands.map((dir) => resolve(call.folder, dir!));
  if (folders.length > 0) return () => reportOn(folders, out, watch);
  const config = await call.config();
  const data = await readData(config);
  return () => writeReport(config, data, out, watch);
}
