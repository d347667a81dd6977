import { cp, mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { GenerateOptions } from "../../src/backend";
import { onnxBackend } from "../../src/backends/onnx";
import { BackendError, ConfigError, DataError, ShapeError, TrainingError } from "../../src/errors";
import { onnxTrainer } from "../../src/trainers/onnx";
import type { ImageSource, Prompt } from "../../src/types";
import { checkpointDir, imagePath, promptOf, reference } from "../models/reference";

const scratch = await mkdtemp(join(tmpdir(), "rise-refusals-"));
const backend = await onnxBackend({ model: checkpointDir, device: "cpu" });
const trainer = await onnxTrainer({ model: checkpointDir, device: "cpu", lora: { rank: 1 } });
afterAll(() => Promise.all([backend.dispose(), trainer.dispose(), rm(scratch, { recursive: true })]));

/** One message says what was expected, what came, and where. */
async function refuses(
  attempt: Promise<unknown>,
  kind: new (...args: never[]) => Error,
  ...parts: readonly string[]
): Promise<void> {
  const error: unknown = await attempt.then(
    () => new Error("nothing was refused"),
    (cause: unknown) => cause,
  );
  expect(error).toBeInstanceOf(kind);
  for (const part of parts) expect((error as Error).message).toContain(part);
}

/** A copy of the checkpoint with something wrong, and the path of the file that is. */
async function damaged(file: string, damage: (path: string) => Promise<void>) {
  const dir = await mkdtemp(join(scratch, "model-"));
  await cp(checkpointDir, dir, { recursive: true });
  const path = join(dir, file);
  await damage(path);
  return { path, opening: onnxBackend({ model: dir, device: "cpu" }) };
}

describe("a model directory is refused", () => {
  it("at a path that does not exist and is no hub id", () =>
    refuses(
      onnxBackend({ model: "/nowhere/qwen", device: "cpu" }),
      DataError,
      "/nowhere/qwen: expected a directory",
      "or a hub id like Qwen/Qwen2-VL-2B-Instruct",
      "got no such directory",
    ));

  it("without its tokenizer", async () => {
    const { path, opening } = await damaged("tokenizer.json", (file) => rm(file));
    await refuses(opening, DataError, path, "expected a JSON file, got none");
  });

  it("without its image processor's settings", async () => {
    const { path, opening } = await damaged("preprocessor_config.json", (file) => rm(file));
    const hint = "copy the one of the model that was trained";
    await refuses(opening, DataError, join(path, ".."), "preprocessor_config.json or processor_config.json", hint);
  });

  it("whose weights were cut off", async () => {
    const { path, opening } = await damaged("model.safetensors", (file) => truncate(file, 300_000));
    await refuses(opening, DataError, `${path}: tensor visual.blocks.0`, "needs 12288 bytes", "of 294480");
  });

  it("whose weights are something else", async () => {
    const { path, opening } = await damaged("model.safetensors", (file) => writeFile(file, "<html>not found</html>"));
    await refuses(
      opening,
      DataError,
      `${path}: expected a safetensors file, got a web page`,
      "download the file itself",
    );
  });

  it("whose header is no JSON", async () => {
    const { path, opening } = await damaged("model.safetensors", async (file) => {
      const bytes = await readFile(file);
      await writeFile(file, bytes.fill("}", 8, 20));
    });
    await refuses(opening, DataError, `${path}: its header is not JSON`);
  });

  it.each([
    ["llama", '"llama"'],
    ["qwen3_vl_moe", '"qwen3_vl_moe"'],
  ])("of another architecture: %s", async (type, found) => {
    const { path, opening } = await damaged("config.json", async (file) => {
      const config = JSON.parse(await readFile(file, "utf8"));
      await writeFile(file, JSON.stringify({ ...config, model_type: type }));
    });
    await refuses(
      opening,
      ConfigError,
      `${path}: not a configuration`,
      'model_type: expected "qwen2_vl" or "qwen2_5_vl" or "qwen3_vl"',
      `got ${found}`,
    );
  });

  it.each([
    ["rowsAtOnce", { rowsAtOnce: 0 }, "got 0"],
    ["threads", { threads: -1 }, "got -1"],
    ["threads", { threads: "2" as unknown as number }, 'got "2"'],
  ])("with %s that is no positive integer", async (name, options, found) => {
    const parts = [`expected ${name} to be a whole number of at least 1`, found];
    await refuses(
      onnxBackend({ model: checkpointDir, device: "cpu", ...options }),
      ConfigError,
      "onnxBackend",
      ...parts,
    );
    await refuses(
      onnxTrainer({ model: checkpointDir, device: "cpu", ...options }),
      ConfigError,
      "onnxTrainer",
      ...parts,
    );
  });
});

describe("options are refused", () => {
  it.each<[object, string]>([
    [{ rowsatonce: 1 }, 'unknown option "rowsatonce"; did you mean "rowsAtOnce"?'],
    [{ model: null }, 'expected model to be the path of a directory, or a hub id such as "Qwen'],
    [{ model: new URL("https://huggingface.co") }, "got URL"],
  ])("of backend and trainer: %o", async (options, message) => {
    await refuses(onnxBackend({ device: "cpu", ...options }), ConfigError, message);
    await refuses(onnxTrainer({ device: "cpu", ...options }), ConfigError, message);
  });

  it.each<[object, string]>([
    [{ loRA: { rank: 1 } }, 'onnxTrainer: unknown option "loRA"; did you mean "lora"?'],
    [{ lora: { rank: 1, dropout: 0.1 } }, 'onnxTrainer: unknown option "lora.dropout"; expected one of rank, alpha,'],
    [{ lora: { rank: "1" } }, 'expected lora.rank to be a whole number of at least 1, got "1"'],
    [{ lora: { rank: 1, rsLora: "no" } }, 'onnxTrainer: expected lora.rsLora to be true or false, got "no"'],
    [{ optimizer: {} }, "expected optimizer to be a gradient transform, such as adamw(), got something without init()"],
    [{ gradientCheckpointing: "off" }, 'onnxTrainer: expected gradientCheckpointing to be true or false, got "off"'],
    [{ seed: 0.5 }, "onnxTrainer: expected seed to be a whole number, got 0.5"],
  ])("of the trainer: %j", (options, message) =>
    refuses(onnxTrainer({ model: checkpointDir, device: "cpu", ...options }), ConfigError, message),
  );
});

describe("a picture is refused", () => {
  const show = (image: ImageSource) =>
    backend.generate([[{ role: "user", content: [{ type: "image", image }] }]], { maxTokens: 1, seed: 0 });
  const text = join(checkpointDir, "config.json");

  it("that is text", () => refuses(show(text), DataError, `${text}: expected an image`, "got JSON"));
  it("that is not there", () =>
    refuses(show("/nowhere/a.png"), DataError, "/nowhere/a.png: expected an image", "got no such file"));
  it("of bytes that are no image", () =>
    refuses(show(new Uint8Array(12)), DataError, "image of 12 bytes: expected an image"));
  it("that is cut short, also when it is only checked", async () => {
    const whole = await readFile(imagePath("square.png"));
    await refuses(backend.checkImage!(whole.subarray(0, whole.length / 2)), DataError, "a PNG image that is cut short");
    await refuses(show(whole.subarray(0, whole.length / 2)), DataError, "a PNG image that is cut short");
    await expect(backend.checkImage!(whole)).resolves.toBeUndefined();
  });
  it("that is larger than maxImagePixels, before it is decoded", async () => {
    const small = await onnxBackend({ model: checkpointDir, device: "cpu", maxImagePixels: 4899 });
    const prompt: Prompt = [{ role: "user", content: [{ type: "image", image: imagePath("square.png") }] }];
    const said = "square.png: expected an image of at most 4899 pixels, got 70×70 = 4900";
    await refuses(small.checkImage!(imagePath("square.png")), DataError, said);
    await refuses(small.countTokens!([prompt]), DataError, said);
    await refuses(small.generate([prompt], { maxTokens: 1, seed: 0 }), DataError, said);
    await small.dispose();
    await refuses(onnxBackend({ model: checkpointDir, maxImagePixels: 0 }), ConfigError, "maxImagePixels");
  });
  it("of too few bytes", () =>
    refuses(show({ width: 3, height: 2, data: new Uint8Array(5) }), DataError, "3×2", "18 bytes of RGB, got 5"));
  it("of no pixels", () =>
    refuses(show({ width: 0, height: 2, data: new Uint8Array(0) }), DataError, "0×2", "expected at least one pixel"));
  it("of a shape that no model has seen", () =>
    refuses(show({ width: 500, height: 2, data: new Uint8Array(3000) }), DataError, "500×2", "within a ratio of 200"));
  it("that is a data URL, and not repeated in full", async () => {
    const url = `data:image/png;base64,${"A".repeat(5000)}`;
    const error = await show(url).then(
      () => undefined,
      (refusal: Error) => refusal,
    );
    expect(error).toBeInstanceOf(DataError);
    expect(error!.message).toContain("data:image/png;base64,AAAA");
    expect(error!.message.length).toBeLessThan(500);
  });

  it("until its file is there", async () => {
    const path = join(scratch, "late.png");
    await refuses(show(path), DataError, path);
    await cp(imagePath("square.png"), path);
    const written = await show(path);
    expect(written[0]![0]!.tokenIds).toHaveLength(1);
    expect(await show(path)).toEqual(written);
    // Another file in its place is another picture.
    await cp(imagePath("wide.png"), path);
    expect((await show(path))[0]![0]!.logProbs).toEqual((await show(imagePath("wide.png")))[0]![0]!.logProbs);
  });
});

describe("a prompt is refused", () => {
  it.each<[string, unknown, string]>([
    ["of text alone", "What is this?", "got 'What is this?'"],
    ["whose content is text", [{ role: "user", content: "What is this?" }], "content: 'What is this?'"],
    ["with parts of another API", [{ role: "user", content: [{ type: "image_url" }] }], "type: 'image_url'"],
    ["without a role", [{ content: [{ type: "text", text: "What is this?" }] }], "text: 'What is this?'"],
    ["of a role that no model has", [{ role: "tool", content: [] }], "role: 'tool'"],
    ["without its picture", [{ role: "user", content: [{ type: "image", image: undefined }] }], "image: undefined"],
  ])("%s", async (_, prompt, got) => {
    const prompts = [prompt as Prompt];
    await refuses(backend.generate(prompts, { maxTokens: 1, seed: 0 }), DataError, "expected a prompt: [{ role", got);
    await refuses(backend.countTokens!(prompts), DataError, "expected a prompt: [{ role", got);
  });
});

describe("generation is refused", () => {
  it.each<[Partial<GenerateOptions>, string, string]>([
    [{ maxTokens: 0 }, "expected maxTokens to be a whole number of at least 1", "got 0"],
    [{ maxTokens: 2.5 }, "expected maxTokens to be a whole number of at least 1", "got 2.5"],
    [{ count: 0 }, "expected count to be a whole number of at least 1", "got 0"],
    [{ temperature: -1 }, "expected temperature to be 0, or from 0.000001 to 1000000", "got -1"],
    [{ temperature: 1e-38 }, "expected temperature to be 0, or from 0.000001 to 1000000", "got 1e-38"],
    [{ topK: 0 }, "expected topK to be a whole number of at least 1", "got 0"],
    [{ topK: 1.5 }, "expected topK to be a whole number of at least 1", "got 1.5"],
    [{ topP: 0 }, "expected topP to be in (0, 1]", "got 0"],
    [{ topP: 1.1 }, "expected topP to be in (0, 1]", "got 1.1"],
    [{ repetitionPenalty: 0 }, "expected repetitionPenalty to be from 0.000001 to 1000000", "got 0"],
    [{ repetitionPenalty: 1e-40 }, "expected repetitionPenalty to be from", "got 1e-40"],
    [{ seed: Number.NaN }, "expected seed to be a whole number", "got NaN"],
    [{ temperature: "1" as unknown as number }, "expected temperature to be 0, or from", 'got "1"'],
    [{ temprature: 1 } as object, 'generate: unknown option "temprature"; did you mean "temperature"?', ""],
    [{ stop: ["fine", ""] }, "expected stop to be a list of texts that are not empty", 'got ["fine",""]'],
  ])("with %j", (options, ...parts) =>
    refuses(backend.generate([promptOf(reference.cases[2]!)], { seed: 0, ...options }), ConfigError, ...parts),
  );

  it("beyond the model's context, by the prompt that does not fit", async () => {
    const prompts = [...reference.cases].sort((a, b) => a.ids.length - b.ids.length).map(promptOf);
    const { tokens, limit } = await backend.countTokens!(prompts);
    const longest = tokens.length - 1;
    const maxTokens = limit - tokens[longest]! + 1;
    expect(tokens[longest - 1]! + maxTokens).toBeLessThanOrEqual(limit);
    await refuses(
      backend.generate(prompts, { maxTokens, seed: 0 }),
      DataError,
      `generate, prompt ${longest}: expected its tokens and maxTokens to fit the model's context of 512, got ${tokens[longest]} and ${maxTokens}`,
    );
  });

  it("never for a topP so small that float32 has no number for it: the likeliest token is left", async () => {
    const prompts = [promptOf(reference.cases[2]!)];
    const likeliest = await backend.generate(prompts, { maxTokens: 4, seed: 0, temperature: 0 });
    const smallest = await backend.generate(prompts, { maxTokens: 4, seed: 0, topP: 1e-46 });
    expect(smallest[0]![0]!.tokenIds).toEqual(likeliest[0]![0]!.tokenIds);
  });

  it("never for a list of no prompts, which asks for nothing", async () => {
    expect(await backend.generate([], { seed: 0 })).toEqual([]);
  });
});

describe("training is refused", () => {
  const prompt = promptOf(reference.cases[0]!);
  const loss = (rows: readonly Float64Array[]) => ({ loss: 0, gradient: rows.map((row) => row.map(() => 1)) });
  const teach = (completion: readonly number[], assumedLogProbs?: number[][]) =>
    trainer.forwardBackward([{ prompt, completion }], loss, assumedLogProbs && { assumedLogProbs });

  it("without sequences", () =>
    refuses(
      trainer.forwardBackward([], loss),
      TrainingError,
      "forwardBackward: expected at least one sequence, got none",
    ));
  it("of tokens that the model lacks", async () => {
    await refuses(teach([1, 2, 291]), DataError, "completion 0, token 2", "from 0 to 290, got 291");
    await refuses(teach([-1]), DataError, "completion 0, token 0", "got -1");
  });
  it("at assumed log-probs of another length", () =>
    refuses(teach([1, 2], [[-1]]), ShapeError, "assumedLogProbs, row 0: expected 2 numbers, got 1"));
  it("of an adapter without rank", () =>
    refuses(
      onnxTrainer({ model: checkpointDir, device: "cpu", lora: { rank: 0 } }),
      ConfigError,
      "lora.rank",
      "got 0",
    ));
  it("of an adapter without a scale", async () => {
    for (const alpha of [0, -1, Number.NaN])
      await refuses(
        onnxTrainer({ model: checkpointDir, device: "cpu", lora: { rank: 1, alpha } }),
        ConfigError,
        "expected lora.alpha to be a finite number above 0",
        `got ${alpha}`,
      );
  });
  it("of layers that the model lacks", () =>
    refuses(
      onnxTrainer({ model: checkpointDir, device: "cpu", lora: { rank: 1, targetModules: ["q_proj", "conv"] } }),
      ConfigError,
      "self_attn.q_proj, self_attn.k_proj",
      "got conv",
    ));
  it("of no layers, or of a name that is no list", async () => {
    for (const targetModules of [[], "q_proj" as unknown as string[]])
      await refuses(
        onnxTrainer({ model: checkpointDir, device: "cpu", lora: { rank: 1, targetModules } }),
        ConfigError,
        'lora.targetModules: expected "all-linear" or a list of ends of self_attn.q_proj',
        `got ${JSON.stringify(targetModules)}`,
      );
  });
});

it("a model that no longer holds its weights is refused when it runs", async () => {
  const { path, opening } = await damaged("README.md", (file) => writeFile(file, ""));
  const emptied = await opening;
  await truncate(join(path, "..", "model.safetensors"), 100_000);
  await refuses(
    emptied.generate([promptOf(reference.cases[2]!)], { maxTokens: 1, seed: 0 }),
    BackendError,
    "model.safetensors: expected the weights that were there when the model was opened, got another file",
  );
  await emptied.dispose();
});
