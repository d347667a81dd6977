import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AutoModelForImageTextToText, AutoProcessor, RawImage } from "@huggingface/transformers";
import { afterAll, describe, expect, it } from "vitest";
import { transformersJsBackend } from "../../src/backends/transformers-js";
import { BackendError, ConfigError, DataError } from "../../src/errors";
import { evaluate } from "../../src/evaluation/evaluate";
import { exportTransformersJs } from "../../src/export";
import { riseCot } from "../../src/rise/rise-cot";
import { classification } from "../../src/tasks/classification";
import type { Prompt } from "../../src/types";
import { checkpointDir, imagePath } from "../models/reference";
import { describeBackend } from "./contract";
import { writeSmolVlm } from "./smolvlm-model";

const folder = await mkdtemp(join(tmpdir(), "rise-families-"));
afterAll(() => rm(folder, { recursive: true }));
const smol = join(folder, "smol");
await writeSmolVlm(smol);
const session = { intraOpNumThreads: 1 };
const open = (model = smol) => transformersJsBackend({ model, device: "cpu", session });

const images = ["wide", "grey", "fits"].map((name) => imagePath(`${name}.png`));
const asking = (...shown: readonly string[]): Prompt => [
  {
    role: "user",
    content: [...shown.map((image) => ({ type: "image" as const, image })), { type: "text", text: "a b" }],
  },
];

describeBackend("transformers.js, shaped like SmolVLM", () => open(), {
  prompts: [asking(images[0]!), asking()],
  tolerance: 1e-6,
  callsOnPromptEnd: true,
});

describe("a second family", () => {
  it("writes greedily what transformers.js writes without our sampler, from a prompt that runs once", async () => {
    const backend = await open();
    const options = { local_files_only: true } as const;
    const processor = await AutoProcessor.from_pretrained(smol, options);
    const model = await AutoModelForImageTextToText.from_pretrained(smol, { ...options, device: "cpu" });
    const chat = [{ role: "user", content: [{ type: "image" }, { type: "text", text: "a b" }] }];
    const text = processor.apply_chat_template(chat as never, { add_generation_prompt: true });
    const inputs = await processor(text, [await RawImage.read(images[0]!)]);
    const neutral = {
      do_sample: false,
      repetition_penalty: 1,
      suppress_tokens: [(model.config as unknown as { image_token_id: number }).image_token_id],
    };
    const ids = (await model.generate({ ...inputs, ...neutral, max_new_tokens: 20 })) as { tolist(): bigint[][] };
    const expected = ids.tolist()[0]!.slice(inputs.input_ids.dims[1]).map(Number);
    const asked = { temperature: 0, count: 2, maxTokens: 20, seed: 0 };
    const [completions] = await backend.generate([asking(images[0]!)], asked);
    expect(completions!.map(({ tokenIds }) => tokenIds)).toEqual([expected, expected]);
    await Promise.all([backend.dispose(), model.dispose()]);
  });

  it("runs best-of-G and an evaluation", async () => {
    const backend = await open();
    const task = classification({ labels: ["good", "bad"] });
    const dataset = images.slice(0, 2).map((image, i) => ({ id: `${i}`, image, annotation: { good: i, bad: 1 - i } }));
    const sampling = { cotMaxTokens: 8, reconstructionMaxTokens: 8 };
    const { dataset: cots } = await riseCot({
      task,
      dataset,
      backend,
      groupSize: 2,
      seed: 0,
      sampling,
      preflight: false,
    });
    expect(cots.map(({ exampleId }) => exampleId)).toEqual(["0", "1"]);
    const { records } = await evaluate({ task, dataset, backend, maxTokens: 8 });
    expect(records).toHaveLength(2);
    await backend.dispose();
  });
});

describe("transformersJsBackend", () => {
  it("keeps the names of special tokens in a text as text", async () => {
    const backend = await open();
    const told = async (text: string) => {
      const prompt: Prompt = [
        {
          role: "user",
          content: [
            { type: "image", image: images[0]! },
            { type: "text", text },
          ],
        },
      ];
      return (await backend.countTokens!([prompt])).tokens[0]!;
    };
    const plain = await told("");
    for (const special of ["<image>", "<end_of_utterance>", "<|im_start|>", "<fake_token_around_image>"])
      expect((await told(special)) - plain).toBeGreaterThan(3);
    await backend.dispose();
  });

  it("ends within a token when its signal is aborted", async () => {
    const backend = await open();
    const controller = new AbortController();
    const writing = backend.generate([asking()], { count: 500, maxTokens: 500, seed: 0, signal: controller.signal });
    setTimeout(() => controller.abort(new Error("enough")), 50);
    await expect(writing).rejects.toThrow("enough");
    await backend.dispose();
  });

  it("tells onPromptEnd of an image that cannot be read, and writes the other prompts", async () => {
    const backend = await open();
    const told: unknown[] = [];
    const prompts = [asking(join(folder, "none.png")), asking(images[1]!)];
    const groups = await backend.generate(prompts, {
      ...{ maxTokens: 4, seed: 0, onPromptEnd: (i: number, outcome: unknown) => void told.push([i, outcome]) },
    });
    expect(told).toEqual([
      [0, expect.any(DataError)],
      [1, groups[1]],
    ]);
    expect(groups[0]).toEqual([]);
    await backend.dispose();
  });

  it.each([
    ["PaliGemmaProcessor", /got PaliGemmaProcessor: its model has no chat template/],
    [undefined, /expected one of the processors Qwen2VLProcessor.*got Processor: /],
  ])("refuses the processor %s by name", async (name, message) => {
    const model = await mkdtemp(join(folder, "refused-"));
    await exportTransformersJs(checkpointDir, join(model, "model"));
    const path = join(model, "model", "preprocessor_config.json");
    await writeFile(path, JSON.stringify({ ...JSON.parse(await readFile(path, "utf8")), processor_class: name }));
    const refused = open(join(model, "model"));
    await expect(refused).rejects.toThrow(ConfigError);
    await expect(refused).rejects.toThrow(message);
  });

  it("refuses a folder without graphs, and a path that is neither folder nor id, without asking the network", async () => {
    const bare = join(folder, "bare");
    await cp(smol, bare, { recursive: true });
    await rm(join(bare, "onnx"), { recursive: true });
    await expect(open(bare)).rejects.toThrow(BackendError);
    await expect(open(bare)).rejects.toThrow(/could not load its model/);
    await expect(open(join(folder, "nowhere"))).rejects.toThrow(/expected a folder with an ONNX model, or a hub id/);
  });
});
