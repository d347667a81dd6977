import { cp, mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { onnxBackend } from "../../src/backends/onnx";
import { transformersJsBackend } from "../../src/backends/transformers-js";
import { mergeAdapter } from "../../src/engine/checkpoint/merge";
import { ConfigError, DataError } from "../../src/errors";
import { exportTransformersJs } from "../../src/export";
import { exportModel } from "../../src/export/transformers-js";
import { readSafetensors, writeSafetensors } from "../../src/models/files/safetensors";
import type { Completion, Prompt } from "../../src/types";
import { checkpointDir, imagePath, largestError, promptOf, reference } from "../models/reference";

const data = fileURLToPath(new URL("../reference/data", import.meta.url));
const untied = join(data, "shapes/untied");
const folder = await mkdtemp(join(tmpdir(), "rise-export-"));
afterAll(() => rm(folder, { recursive: true }));

/** No image, one, two of one size, two of two sizes. */
const prompts = reference.cases.map(promptOf);
const maxPixels = 2 ** 30;

let made = 0;
const fresh = () => join(folder, `model-${made++}`);

async function greedy(open: Promise<Awaited<ReturnType<typeof onnxBackend>>>, asked: readonly Prompt[] = prompts) {
  const backend = await open;
  try {
    return (await backend.generate(asked, { temperature: 0, maxTokens: 10, seed: 0 })).map(([one]) => one!);
  } finally {
    await backend.dispose();
  }
}
const exported = (model: string, dtype?: string) =>
  transformersJsBackend({ model, device: "cpu", session: { intraOpNumThreads: 1 }, ...(dtype && { dtype }) });
const original = (model: string) => onnxBackend({ model, device: "cpu" });

function expectAlike(found: readonly Completion[], expected: readonly Completion[]): void {
  expect(found.map(({ tokenIds }) => tokenIds)).toEqual(expected.map(({ tokenIds }) => tokenIds));
  for (const [i, { logProbs }] of expected.entries())
    expect(largestError(found[i]!.logProbs!, logProbs!)).toBeLessThan(1e-4);
}

describe("an exported checkpoint", () => {
  it("is the model, when its head is untied and its weights lie in four files", async () => {
    const dir = fresh();
    await exportTransformersJs(join(untied, "checkpoint"), dir, { precision: "float32", maxPixels });
    expectAlike(await greedy(exported(dir)), await greedy(original(join(untied, "checkpoint"))));
  });

  it.each(["qwen2-5-vl/tied", "qwen3-vl/untied"])("is the model, for the family of %s", async (name) => {
    const [dir, model] = [fresh(), join(data, "families", name, "checkpoint")];
    await exportTransformersJs(model, dir, { precision: "float32", maxPixels });
    const image = (file: string) => ({ type: "image" as const, image: join(data, "families/images", file) });
    const text = { type: "text" as const, text: "What is this?" };
    const asked = [[], ["hall.jpg"], ["tall.png", "grey.png"], ["room.png", "room.png", "dot.png"]].map(
      (files): Prompt => [{ role: "user", content: [...files.map(image), text] }],
    );
    expectAlike(await greedy(exported(dir), asked), await greedy(original(model), asked));
  });

  it("is the merged model, when an adapter was merged", async () => {
    const [merged, dir] = [fresh(), fresh()];
    await mergeAdapter(join(untied, "adapter"), merged, { model: join(untied, "checkpoint") });
    await exportTransformersJs(merged, dir, { precision: "float32", maxPixels });
    const completions = await greedy(exported(dir));
    expectAlike(completions, await greedy(original(merged)));
    const before = await greedy(original(join(untied, "checkpoint")));
    expect(completions.map(({ text }) => text)).not.toEqual(before.map(({ text }) => text));
  });

  it("is the same model, when its tensors are too large for one file", async () => {
    const dir = fresh();
    const limits = { inline: 1000, chunk: 160_000 };
    const { files } = await exportModel(checkpointDir, dir, { precision: "float32", maxPixels }, limits);
    const chunks = Object.keys(files).filter((file) => file.includes("onnx_data"));
    expect(chunks).toContain("onnx/decoder_model_merged.onnx_data");
    expect(chunks).toContain("onnx/decoder_model_merged.onnx_data_1");
    for (const chunk of chunks) expect(files[chunk]).toBeLessThanOrEqual(limits.chunk);
    expectAlike(await greedy(exported(dir)), await greedy(original(checkpointDir)));
  });

  it.each([
    ["half", 0.02, { embed_tokens: "fp16", vision_encoder: "fp16", decoder_model_merged: "fp16" }],
    ["int8", 0.1, { embed_tokens: "fp16", vision_encoder: "q8", decoder_model_merged: "q8" }],
    ["int4", 0.6, { embed_tokens: "fp16", vision_encoder: "q4", decoder_model_merged: "q4" }],
  ] as const)("in %s is near the model, by %f nats a token at most, and smaller", async (precision, gap, dtype) => {
    const dir = fresh();
    const { files, bytes } = await exportTransformersJs(checkpointDir, dir, { precision, maxPixels });
    const whole = await exportTransformersJs(checkpointDir, fresh(), { precision: "float32", maxPixels });
    expect(bytes).toBeLessThan(whole.bytes);
    expect(bytes).toBe(Object.values(files).reduce((a, b) => a + b, 0));
    const config = JSON.parse(await readFile(join(dir, "config.json"), "utf8"));
    expect(config["transformers.js_config"].dtype).toEqual(dtype);
    // First tokens are compared: later ones follow different texts.
    const [found, expected] = [await greedy(exported(dir)), await greedy(original(checkpointDir))];
    const gaps = found.map(({ logProbs }, i) => Math.abs(logProbs![0]! - expected[i]!.logProbs![0]!));
    expect(Math.max(...gaps)).toBeLessThan(gap);
  });

  it.each([
    ["int8", "_quantized", false],
    ["int4", "_q4", true],
  ] as const)(
    "in %s has its head quantized or not, and every other matrix quantized",
    async (precision, end, isHead) => {
      const dir = fresh();
      await exportTransformersJs(join(untied, "checkpoint"), dir, { precision });
      const graph = await readFile(join(dir, `onnx/decoder_model_merged${end}.onnx`), "latin1");
      expect(graph.includes("lm_head.numbers")).toBe(isHead);
      expect(graph.includes("lm_head.weight")).toBe(!isHead);
      expect(graph).toContain("mlp.down_proj.numbers");
      expect(graph).not.toContain("mlp.down_proj.weight");
    },
  );

  it("scales images down to maxPixels", async () => {
    const image = imagePath("wide.png");
    const tokensAt = async (most: number) => {
      const dir = fresh();
      await exportTransformersJs(checkpointDir, dir, { maxPixels: most });
      const backend = await exported(dir);
      const { tokens } = await backend.countTokens!([[{ role: "user", content: [{ type: "image", image }] }]]);
      await backend.dispose();
      return tokens[0]!;
    };
    // 140 × 56 pixels become 84 × 28, and a token is 28 × 28 of them.
    expect((await tokensAt(maxPixels)) - (await tokensAt(56 * 56))).toBe(10 - 3);
  });
});

describe("exportTransformersJs", () => {
  it("refuses a folder that is not empty, and takes an empty one", async () => {
    const dir = fresh();
    await mkdir(dir);
    await exportTransformersJs(checkpointDir, dir);
    await expect(exportTransformersJs(checkpointDir, dir)).rejects.toThrow(
      /expected a new or empty folder, got one with "config.json" in it; name another/,
    );
  });

  it("refuses an adapter, and names mergeAdapter", async () => {
    await expect(exportTransformersJs(join(untied, "adapter"), fresh())).rejects.toThrow(
      /got a LoRA adapter: mergeAdapter/,
    );
  });

  it("refuses weights that float16 cannot hold, and says what to use", async () => {
    const dir = fresh();
    await cp(checkpointDir, dir, { recursive: true });
    const tensors = await readSafetensors(join(dir, "model.safetensors"));
    tensors.get("model.embed_tokens.weight")!.data[5] = 1e5;
    await writeSafetensors(join(dir, "model.safetensors"), tensors);
    const refused = exportTransformersJs(dir, fresh(), { precision: "half" });
    await expect(refused).rejects.toThrow(DataError);
    await expect(refused).rejects.toThrow(
      /model.embed_tokens.weight: expected numbers up to 65504.*precision "float32"/,
    );
  });

  it("refuses to shrink images below the model's smallest", async () => {
    const refused = exportTransformersJs(checkpointDir, fresh(), { maxPixels: 28 * 28 });
    await expect(refused).rejects.toThrow(ConfigError);
    await expect(refused).rejects.toThrow(/maxPixels to be at least the model's min_pixels/);
  });

  it("leaves nothing when its signal is aborted", async () => {
    const controller = new AbortController();
    const dir = fresh();
    const signal = controller.signal;
    const exporting = exportTransformersJs(checkpointDir, dir, { signal });
    controller.abort(new Error("enough"));
    await expect(exporting).rejects.toThrow("enough");
    const names = await readdir(folder);
    expect(names.filter((name) => join(folder, name).startsWith(dir))).toEqual([]);
  });

  it("writes a chat template, flat numbers and greedy settings, wherever the checkpoint has them", async () => {
    const dir = fresh();
    await exportTransformersJs(join(untied, "checkpoint"), dir);
    const read = async (file: string) => JSON.parse(await readFile(join(dir, file), "utf8"));
    const config = await read("config.json");
    expect(config.num_hidden_layers).toBe(config.text_config.num_hidden_layers);
    expect((await read("tokenizer_config.json")).chat_template).toBe(
      await readFile(join(untied, "checkpoint", "chat_template.jinja"), "utf8"),
    );
    const { suppress_tokens, ...others } = await read("generation_config.json");
    expect(suppress_tokens).toEqual([
      config.image_token_id,
      config.video_token_id,
      config.vision_start_token_id,
      config.vision_end_token_id,
    ]);
    expect(Object.keys(others)).toEqual(["eos_token_id", "pad_token_id"]);
  });
});
