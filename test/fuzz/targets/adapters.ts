import { cp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createAdapter } from "../../../src/engine/adapter";
import { checkFinite, readOptimizer, saveOptimizer } from "../../../src/engine/checkpoint/optimizer-files";
import { readPolicy } from "../../../src/engine/checkpoint/policy-files";
import { openCheckpoint } from "../../../src/models/checkpoint/weights";
import { loadArchitecture } from "../../../src/models/families";
import { adamw, chain, clipByGlobalNorm } from "../../../src/optim";
import { checkpointDir } from "../../models/reference";
import { mutated, mutatedSettings, pick } from "../mutate";
import { notFinite, type Target } from "../target";

const peft = fileURLToPath(new URL("../../reference/data/peft", import.meta.url));

/** The files that a trainer's `load` reads: an adapter as PEFT saves it, and the optimiser's state beside it. */
export const adaptersTarget: Target = {
  name: "adapters",
  share: 40_000,
  inTest: 150,
  async open(folder) {
    const architecture = await loadArchitecture(checkpointDir);
    const checkpoint = await openCheckpoint(checkpointDir, architecture);
    const lora = { rank: 3, alpha: 5, targetModules: ["down_proj", "q_proj", "v_proj"] };
    const policy = { architecture, checkpoint, lora, trainable: createAdapter(architecture, lora, 1) };
    const parameters = new Map([...policy.trainable].map(([name, { data }]) => [name, data]));
    const optimizer = chain(clipByGlobalNorm(1), adamw());
    const fresh = () => optimizer.init(parameters);
    const state = fresh();
    optimizer.update(
      new Map([...parameters].map(([name, data]) => [name, new Float32Array(data.length).fill(0.1)])),
      state,
      new Map([...parameters].map(([name, data]) => [name, Float32Array.from(data)])),
      { learningRate: 0.1 },
    );
    await cp(peft, folder, { recursive: true });
    await saveOptimizer(folder, state);
    const names = ["adapter_config.json", "adapter_model.safetensors", "optimizer.json", "optimizer.safetensors"];
    const originals = new Map<string, Buffer>();
    for (const name of names) originals.set(name, await readFile(join(folder, name)));
    return {
      make(rng) {
        const file = pick(rng, names);
        const change = file.endsWith("json") ? mutatedSettings : mutated;
        return { file, bytes: change(rng, [originals.get(file)!]) };
      },
      async read({ file, bytes }) {
        await writeFile(join(folder, file), bytes);
        try {
          const weights = await readPolicy(policy, folder);
          checkFinite(folder, weights);
          return { weights, ...(await readOptimizer(folder, optimizer, fresh)) };
        } finally {
          await writeFile(join(folder, file), originals.get(file)!);
        }
      },
      problem: (read: { readonly step: number }) =>
        Number.isSafeInteger(read.step) && read.step >= 0 ? notFinite(read) : `step ${read.step}`,
    };
  },
};
