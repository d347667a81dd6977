import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { makeTask } from "../../src/config/data";
import { type Config, readConfig } from "../../src/config/read";
import { ConfigError } from "../../src/errors";
import { temporaryFolder, writeFiles } from "../datasets/temporary";

let folder: string;
beforeAll(async () => {
  folder = await temporaryFolder();
});
beforeEach(async () => {
  await rm(folder, { recursive: true });
  await writeFiles(folder, { "sub/keep": "" });
});
afterAll(() => rm(folder, { recursive: true }));

const task = { kind: "classification", labels: ["cat", "dog"] };
const data = { format: "folder", path: "photos" };
const read = (flags: Readonly<Record<string, string>> = {}, file?: string): Promise<Config> =>
  readConfig({ file, flags: new Map(Object.entries(flags)), folder });
const write = (name: string, content: string | object) => writeFiles(folder, { [name]: content });
const yaml = (...lines: readonly string[]) =>
  write(
    "rise.config.yaml",
    ["task: { kind: classification, labels: [cat, dog] }", "data: { format: folder, path: photos }", ...lines].join(
      "\n",
    ),
  );

describe("a config", () => {
  it.each<[string, string | object]>([
    ["rise.config.json", { task, data, cot: { steps: 3 } }],
    [
      "rise.config.yaml",
      "task:\n  kind: classification\n  labels: [cat, dog]\ndata: { format: folder, path: photos }\ncot:\n  steps: 3\n",
    ],
    [
      "rise.config.ts",
      `const steps: number = 3;\nexport default { task: ${JSON.stringify(task)}, data: ${JSON.stringify(data)}, cot: { steps } };`,
    ],
    [
      "rise.config.mjs",
      `export default { task: ${JSON.stringify(task)}, data: ${JSON.stringify(data)}, cot: { steps: 3 } };`,
    ],
  ])("is read from %s", async (name, content) => {
    await write(name, content);
    expect(await read()).toMatchObject({ task, cot: { steps: 3 }, seed: 0, resume: false });
  });

  it("is what the flags say when there is no file", async () => {
    const flags = {
      "task.kind": "classification",
      "task.labels": "cat, dog, ",
      "data.format": "folder",
      "data.path": "x",
    };
    expect(await read(flags)).toMatchObject({ task, data: { format: "folder", path: join(folder, "x") } });
  });

  it("gives flags precedence over the file, option by option", async () => {
    await yaml("cot: { steps: 3, groupSize: 4, sampling: { temperature: 0.5 } }", "r1: { rft: false }");
    const { cot, r1 } = await read({ "cot.steps": "9", "cot.sampling.topP": "0.9", "r1.rft.steps": "5" });
    expect(cot).toMatchObject({ steps: 9, groupSize: 4, sampling: { temperature: 0.5, topP: 0.9 } });
    expect(r1).toEqual({ rft: { steps: 5 } });
  });

  it("reads the texts of flags as their options need them", async () => {
    await yaml();
    const {
      model,
      cot,
      r1,
      task: read2,
    } = await read({
      model: "7",
      "cot.reward": "strictReward",
      "r1.sft": "false",
      "task.labels": "[1, two]",
      "task.name": "true",
    }).catch((error: Error) => ({ error }) as never);
    expect([model, r1, read2]).toEqual(["7", { sft: false }, { ...task, labels: [1, "two"], name: "true" }]);
    expect(cot!.reward).toBeTypeOf("function");
  });

  it("turns names into values: rewards, presets and schedules", async () => {
    await yaml(
      "cot: { reward: withoutLeakGate, grpo: verl, learningRate: { schedule: linear, learningRate: 1, totalSteps: 4 } }",
    );
    const { cot } = await read();
    expect(cot).toMatchObject({ grpo: { loss: { lossType: "bnpo" } } });
    expect((cot!.reward as { name: string }).name).toBe("withoutLeakGate");
    expect([0, 1, 4].map(cot!.learningRate as (step: number) => number)).toEqual([1, 0.75, 0]);
  });

  it("starts paths from the file's folder, and those of flags from the working folder", async () => {
    await write(
      "sub/c.yaml",
      "task: { kind: detection }\ndata: { format: coco, path: a.json, images: b }\nmodel: ./tiny\n",
    );
    const config = await read({ "data.images": "pictures", runDir: "out" }, "sub/c.yaml");
    expect(config).toMatchObject({
      data: { path: join(folder, "sub", "a.json"), images: join(folder, "pictures") },
      model: join(folder, "sub", "tiny"),
      runDir: join(folder, "out"),
    });
    expect((await read({}, "sub/c.yaml")).runDir).toBe(join(folder, "sub", "runs"));
    expect((await read({ model: "Qwen/Qwen2-VL-2B-Instruct" }, "sub/c.yaml")).model).toBe("Qwen/Qwen2-VL-2B-Instruct");
  });

  it("takes an empty section for none", async () => {
    await yaml("cot:", "  # steps: 3");
    expect((await read()).cot).toBeUndefined();
  });

  it("leaves an operation's own defaults to it", async () => {
    await yaml("r1: { sft: { epochs: 2 } }");
    expect((await read()).r1).toEqual({ sft: { epochs: 2 } });
  });

  it.each<[string, string[], Readonly<Record<string, string>>, string | RegExp]>([
    [
      "an unknown option",
      ["cot:", "  stepz: 3"],
      {},
      'rise.config.yaml:4: unknown option "cot.stepz"; did you mean "cot.steps"?',
    ],
    [
      "TRL's name",
      ["cot:", "  num_generations: 3"],
      {},
      'rise.config.yaml:4: unknown option "cot.num_generations"; here it is called "cot.groupSize"',
    ],
    [
      "a value out of range",
      ["cot:", "  steps: 3", "  groupSize: 0"],
      {},
      "rise.config.yaml:5: expected cot.groupSize to be a whole number of at least 1, got 0",
    ],
    [
      "a wrong value within an option",
      ["r1:", "  rft:", "    steps: few"],
      {},
      'rise.config.yaml:5: expected r1.rft.steps to be a whole number of at least 0, got "few"',
    ],
    [
      "a wrong flag",
      ["cot:", "  groupSize: 4"],
      { "cot.groupSize": "none" },
      '--cot.groupSize: expected cot.groupSize to be a whole number of at least 1, got "none"',
    ],
    [
      "an unknown name",
      ["cot: { grpo: tlr }"],
      {},
      /^rise\.config\.yaml:3: expected cot\.grpo to be one of rise-paper, trl, verl, or \{ advantages, loss \}, got "tlr"$/,
    ],
    [
      "an unknown section",
      ["evaluation: {}"],
      {},
      'rise.config.yaml:3: unknown option "evaluation"; did you mean "evaluate"?',
    ],
    [
      "an option of another kind",
      [],
      { "data.delimiter": ";" },
      /^--data\.delimiter: unknown option "data\.delimiter"; expected one of format, path, /,
    ],
    [
      "an unknown kind",
      [],
      { "task.kind": "clasification" },
      '--task.kind: expected task.kind to be one of classification, detection, segmentation, got "clasification"; did you mean "classification"?',
    ],
    ["a key twice", ["cot: {}", "cot: {}"], {}, "rise.config.yaml:4: expected YAML or JSON: Map keys must be unique"],
    [
      "a text that begins with *",
      ["cot: {}", "model: *.jpg"],
      {},
      "rise.config.yaml:4: expected YAML or JSON, got *.jpg, which refers to nothing; write it in quotes",
    ],
  ])("names the line or the flag of %s", async (_, lines, flags, message) => {
    await yaml(...lines);
    const error = await read(flags).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ConfigError);
    expect((error as Error).message).toEqual(typeof message === "string" ? message : expect.stringMatching(message));
  });

  it("says what is missing when there is neither a file nor a flag", async () => {
    await expect(read()).rejects.toThrow(/^expected rise\.config\.yaml .* got none; rise-ts init writes one$/);
    await expect(read({}, "none.yaml")).rejects.toThrow(
      /^none\.yaml: expected a config file, got no such file; rise-ts init writes one$/,
    );
    await expect(read({}, "config.toml")).rejects.toThrow(/^config\.toml: expected a config that ends in \.yaml/);
  });

  it("refuses a file in another encoding, whose labels would not be those of the data", async () => {
    const text = "task: { kind: classification, labels: [Freude, Ärger] }\ndata: { format: folder, path: photos }";
    const path = join(folder, "rise.config.yaml");
    await writeFile(path, text, "latin1");
    await expect(read()).rejects.toThrow(
      /^rise\.config\.yaml: expected a config file, got bytes that are not UTF-8; save it as UTF-8$/,
    );
    await writeFile(path, `\ufeff${text}`, "utf16le");
    await expect(read()).rejects.toThrow(/got text in UTF-16; save it as UTF-8$/);
    await writeFile(path, `\ufeff${text}`);
    await expect(read()).resolves.toMatchObject({ task: { labels: ["Freude", "Ärger"] } });
  });

  it("asks for task and data only where the command needs them", async () => {
    const needing = (needs: readonly string[], flags: Readonly<Record<string, string>>) =>
      readConfig({ flags: new Map(Object.entries(flags)), folder, needs });
    const kind = { "task.kind": "classification", "task.labels": "cat,dog" };
    await expect(needing([], { seed: "3" })).resolves.toMatchObject({ seed: 3, data: {} });
    await expect(needing(["task"], kind)).resolves.toMatchObject({ task: { labels: ["cat", "dog"] }, data: {} });
    await expect(needing(["task", "data"], kind)).rejects.toThrow(/expected data\.format to be one of/);
    await expect(needing(["task"], { ...kind, "data.root": "x" })).rejects.toThrow(/expected data\.format/);
    await yaml("seed: 3");
    await expect(needing([], {})).resolves.toMatchObject({ data: { format: "folder" } });
  });

  it("names its file and line when its task cannot be made, in a module too", async () => {
    const path = JSON.stringify(fileURLToPath(new URL("../../src/tasks/classification.ts", import.meta.url)));
    await write("rise.config.ts", `import { classification } from ${path};\n\nclassification({ labels: ["a", "a"] });`);
    await expect(read()).rejects.toThrow(/^rise\.config\.ts:3: classification: expected labels that differ in more/);
    await rm(join(folder, "rise.config.ts"));
    await write("rise.config.yaml", `seed: 3\ntask: ${JSON.stringify({ ...task, labels: ["a", "A"] })}\ndata: {}\n`);
    const made = async (config: Promise<Config>) => makeTask(await config);
    await expect(made(read({ "data.format": "jsonl", "data.path": "x" }))).rejects.toThrow(
      new ConfigError(
        'rise.config.yaml:2: classification: expected labels that differ in more than case and separators, got "a" and "A"',
      ),
    );
    await rm(join(folder, "rise.config.yaml"));
    const flags = { "task.kind": "detection", "task.prompts.cot": "{{x}}", "data.format": "jsonl", "data.path": "x" };
    await expect(made(read(flags))).rejects.toThrow(
      /^the config: detection\(\)'s cot prompt: expected placeholders out/,
    );
  });

  it("names the module that cannot be loaded", async () => {
    await write("rise.config.ts", "export default {");
    await expect(read()).rejects.toThrow(/^rise\.config\.ts:1: expected a module that can be loaded: /);
    await write("rise.config.ts", "export default () => 1");
    await expect(read()).rejects.toThrow(/^rise\.config\.ts: expected the config to be an object, got a function/);
  });
});
