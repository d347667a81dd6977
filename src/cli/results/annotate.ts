import { join, resolve } from "node:path";
import { annotateDataset } from "../../annotation";
import { annotateDatasetSpec } from "../../annotation/annotate-dataset-options";
import { unreadableWords } from "../../annotation/listen";
import { makeTask } from "../../config/data";
import { withPolicy } from "../../config/engines";
import { counted } from "../../options/display";
import { text } from "../../options/spec";
import type { Command } from "../frame/command";

const { root, subject, maxTokens, batchSize, concurrency, retryFailed, onFailure, shard, sheet } =
  annotateDatasetSpec();
/** The options of `annotateDataset` that a command line can give. */
const own = { root, subject, maxTokens, batchSize, concurrency, retryFailed, onFailure, shard, sheet };

/** Annotates a folder, an image or a list of images with reasons. */
export const annotate: Command = {
  operands: [{ name: "IMAGES", help: "a folder, an image, or a .jsonl file of images" }],
  sections: { short: [], long: ["task", "trainer", "backend"], without: ["seed"] },
  flags: {
    policy: text().optional().describe('"base", or the folder of a run or a checkpoint; stage 2 in runDir without it'),
    out: text().optional().describe("The folder of the results; annotations in runDir without it"),
    ...own,
  },
  async run(call) {
    const config = await call.config();
    const { policy = join(config.runDir, "r1"), out, ...options } = call.flags as Record<string, string | undefined>;
    const runDir = resolve(call.folder, out ?? join(config.runDir, "annotations"));
    const from = policy === "base" ? policy : resolve(call.folder, policy);
    return withPolicy(config, from, runDir, async (backend, name) => {
      call.say(`annotates with ${name}`);
      const annotated = await annotateDataset({
        ...options,
        task: makeTask(config),
        backend,
        images: resolve(call.folder, call.operands[0]!),
        runDir,
        resume: config.resume,
        handleInterrupts: false,
        stop: call.stop(),
        log: (line: string) => call.say(line),
      });
      const { annotations: _, ...counts } = annotated;
      const others = `${annotated.failed.length} without an answer${unreadableWords(annotated)}`;
      return {
        result: { runDir, policy: name, ...counts },
        text: `${counted(annotated.images, "image")}, ${others}. Files: ${runDir}`,
      };
    });
  },
};
