import { join, resolve } from "node:path";
import { type ConfigData, readData } from "../../config/data";
import { withPolicy } from "../../config/engines";
import type { Config } from "../../config/read";
import { auditAnnotations } from "../../evaluation/audit-annotations";
import { auditCots, type CotsAudit } from "../../evaluation/audit-cots";
import { flag, text } from "../../options/spec";
import type { Call, Command } from "../frame/command";
import { foldersIn } from "../frame/folders";
import { decimals, table } from "../frame/output";
import { readCots, readRollouts } from "../frame/rows";

/** Ranks annotations by how wrong they look, and measures what the thoughts are worth. */
export const audit: Command = {
  sections: { short: ["audit"], long: ["task", "data", "trainer", "backend"] },
  flags: {
    thoughts: flag().default(false).describe("Also measures the thoughts of stage 1, which asks a model"),
    policy: text().default("base").describe('The model that reconstructs: "base", or the folder of a run'),
  },
  async run(call) {
    const config = await call.config();
    const data = await readData(config);
    const annotations = auditAnnotations(
      await readRollouts(join(foldersIn(config.runDir).cot, "rollouts.jsonl")),
      data.task,
      { dataset: data.train },
    );
    const worst = annotations
      .slice(0, 20)
      .map(({ exampleId, suspicion, agreement, similarity, expected, consensus }) => [
        exampleId,
        ...[suspicion, agreement, similarity, expected].map((number) => decimals(number)),
        consensus === null ? "none" : data.task.format(consensus),
      ]);
    const thoughts = call.flags.thoughts ? await auditThoughts(config, data, call) : undefined;
    const head = ["example", "suspicion", "agreement", "similarity", "expected", "what the model reads"];
    return {
      result: { annotations, ...(thoughts && { thoughts }) },
      text: [table([head, ...worst]), ...(thoughts ? [thoughtsTable(thoughts)] : [])].join("\n\n"),
    };
  },
};

async function auditThoughts(config: Config, { task, train }: ConfigData, call: Call): Promise<CotsAudit> {
  const folders = foldersIn(config.runDir);
  const cots = await readCots(join(folders.cot, "cots.jsonl"));
  const policy = String(call.flags.policy);
  const [from, runDir] =
    policy === "base" ? [policy, folders.auditBase] : [resolve(call.folder, policy), folders.audit];
  const { seed, resume, audit: options } = config;
  return withPolicy(config, from, runDir, (backend) =>
    auditCots({ ...options, task, dataset: train, cots, backend, seed, runDir, resume, signal: call.stop() }),
  );
}

const thoughtsTable = ({ similarity, cotGain, emptyAsGood, otherAsGood }: CotsAudit) =>
  table([
    ["reconstruction", "mean", "low", "high"],
    ...Object.entries({
      "with its own thought": similarity.own,
      "with no thought": similarity.empty,
      "with another image's thought": similarity.other,
      "gain over no thought": cotGain,
      "share where no thought is as good": emptyAsGood,
      "share where another's is as good": otherAsGood,
    }).map(([name, { mean, low, high }]) => [name, ...[mean, low, high].map((number) => decimals(number))]),
  ]);
