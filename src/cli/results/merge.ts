import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { weightsOf } from "../../config/engines";
import { mergeAdapter } from "../../engine/checkpoint/merge";
import { ConfigError } from "../../errors";
import { requireNewFolder } from "../../files/whole-folder";
import { text } from "../../options/spec";
import type { Command } from "../frame/command";

/** Folds a trained adapter into its model. */
export const merge: Command = {
  operands: [{ name: "DIR", help: "the folder to write, a Hugging Face checkpoint" }],
  sections: { short: [], long: [], without: ["resume", "seed"] },
  flags: {
    policy: text().optional().describe("The folder of a run or a checkpoint; stage 2 in runDir without it"),
  },
  async run(call) {
    const { policy } = call.flags as { policy?: string };
    const config = policy === undefined || call.hasConfig ? await call.config() : undefined;
    const weights = await weightsOf(policy === undefined ? join(config!.runDir, "r1") : resolve(call.folder, policy));
    const dir = resolve(call.folder, call.operands[0]!);
    await requireNewFolder(dir);
    if (!existsSync(join(weights, "adapter_config.json")))
      throw new ConfigError(`${weights}: expected an adapter, got a whole checkpoint, which is a model as it is`);
    const model = (config?.trainer?.model ?? config?.model) as string | undefined;
    await mergeAdapter(weights, dir, model === undefined ? {} : { model });
    return { result: { dir, adapter: weights }, text: `${dir} holds the model with ${weights} in it.` };
  },
};
