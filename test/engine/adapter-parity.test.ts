import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { createAdapter } from "../../src/engine/adapter";
import { readPolicy, savePolicy } from "../../src/engine/checkpoint/policy-files";
import type { Policy } from "../../src/engine/policy";
import { createSampler } from "../../src/engine/sampling/sampler";
import { createTrainingPass } from "../../src/engine/training/pass";
import { CheckpointError } from "../../src/errors";
import { readSafetensors } from "../../src/models/files/safetensors";
import { openModel } from "../../src/models/open-model";
import { checkpointDir, largestError, promptOf, reference, referenceArrays } from "../models/reference";

// Recorded by test/reference/peft/make.py: PEFT 0.21.2, transformers 5.23.0, torch 2.13.0 (CPU, float32, eager attention).
const peftDir = fileURLToPath(new URL("../reference/data/peft", import.meta.url));
const recorded = await readSafetensors(join(peftDir, "figures.safetensors"));
const theirs = await readSafetensors(join(peftDir, "adapter_model.safetensors"));

const model = await openModel(checkpointDir);
const { architecture, config, checkpoint } = model;
const scratch = await mkdtemp(join(tmpdir(), "adapter-"));
afterAll(() => rm(scratch, { recursive: true }));

/** The layers, rank and scale that the recording was made with. */
const lora = { rank: 3, alpha: 5, targetModules: ["q_proj", "v_proj", "down_proj"] };
const fresh = (options = lora): Policy => ({
  architecture,
  checkpoint,
  lora: options,
  trainable: createAdapter(architecture, options, 0),
});

async function loaded(dir: string): Promise<Policy> {
  const policy = fresh();
  for (const [name, data] of await readPolicy(policy, dir)) policy.trainable.get(name)!.data.set(data);
  return policy;
}

/** PEFT's own names, with transformers' extra level. */
const peftName = (name: string) => `base_model.model.${name.replace("model.layers", "model.language_model.layers")}`;

describe("an adapter that PEFT made", () => {
  it("gives PEFT's log-probs, and PyTorch's gradient by every matrix: worst relative difference below 1e-5", async () => {
    const policy = await loaded(peftDir);
    const sampler = createSampler(model, policy, { rowsAtOnce: 4 });
    const pass = createTrainingPass(model, policy, { rowsAtOnce: 4, features: sampler.features });
    try {
      const example = reference.cases.find(({ name }) => name === "two pictures")!;
      const { tokens, images } = await model.encodePrompt(promptOf(example));
      const row = { tokens: [...tokens, ...example.completionIds], images, promptLength: tokens.length };
      const cotangent = (await referenceArrays()).get("two pictures/cotangent")!.data;
      const gradients = new Map<string, Float32Array>();
      const { logProbs } = await pass.backward([row], [cotangent], (name, part) => gradients.set(name, part.slice()));
      expect(largestError(logProbs[0]!, recorded.get("logProbs")!.data)).toBeLessThan(1e-5);
      expect(gradients.size).toBe(2 * 3 * config.text.layers);
      for (const [name, gradient] of gradients) {
        const expected = recorded.get(`gradient/${peftName(name)}`)!.data;
        const gap = Math.hypot(...gradient.map((x, i) => x - expected[i]!)) / Math.hypot(...expected);
        expect(gap, name).toBeLessThan(1e-5);
      }
    } finally {
      await pass.dispose();
      await sampler.dispose();
    }
  });

  it("is written back with PEFT's names, shapes and numbers", async () => {
    const dir = join(scratch, "written");
    await savePolicy(model, await loaded(peftDir), dir);
    const ours = await readSafetensors(join(dir, "adapter_model.safetensors"));
    expect([...ours.keys()]).toContain("base_model.model.model.language_model.layers.0.self_attn.q_proj.lora_A.weight");
    expect(new Map([...ours].sort())).toEqual(new Map([...theirs].sort()));
    const settings = JSON.parse(await readFile(join(dir, "adapter_config.json"), "utf8"));
    const { peft_type, r, lora_alpha, bias, lora_dropout } = JSON.parse(
      await readFile(join(peftDir, "adapter_config.json"), "utf8"),
    );
    expect(settings).toMatchObject({ peft_type, r, lora_alpha, bias, lora_dropout });
    expect([...settings.target_modules].sort()).toEqual([...lora.targetModules].sort());
  });
});

describe("an adapter that does not fit", () => {
  const reading = (policy: Policy, dir = peftDir) => expect(readPolicy(policy, dir)).rejects;

  it("because of its rank or scale is refused with both", async () => {
    await reading(fresh({ ...lora, alpha: 6 })).toThrow(CheckpointError);
    await reading(fresh({ ...lora, alpha: 6 })).toThrow("expected r 3 and lora_alpha 6, got r 3 and lora_alpha 5");
    await reading(fresh({ ...lora, rank: 4 })).toThrow("expected r 4 and lora_alpha 5, got r 3 and lora_alpha 5");
  });

  it("because of its layers is refused with the names", async () => {
    const few = fresh({ ...lora, targetModules: ["q_proj", "v_proj"] });
    await reading(few).toThrow("model.layers.0.mlp.down_proj.lora_A.weight: expected none, got [3, 72]");
    const many = fresh({ ...lora, targetModules: [...lora.targetModules, "o_proj"] });
    await reading(many).toThrow("model.layers.1.self_attn.o_proj.lora_B.weight: expected [64, 3], got none");
  });

  it("because it scales in another way is refused", async () => {
    const dir = join(scratch, "rslora");
    await cp(peftDir, dir, { recursive: true });
    const settings = JSON.parse(await readFile(join(dir, "adapter_config.json"), "utf8"));
    await writeFile(join(dir, "adapter_config.json"), JSON.stringify({ ...settings, use_rslora: true }));
    await reading(fresh(), dir).toThrow("got r 3 and lora_alpha 5, use_rslora");
  });
});
