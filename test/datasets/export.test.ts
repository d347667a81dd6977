import { spawn } from "node:child_process";
import { mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import sharp from "sharp";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { formatThinkAnswer } from "../../src/checks/think-answer";
import { conversationDataset, conversationRow, cotsOf } from "../../src/datasets/conversations";
import { type ExportFormat, exportCots } from "../../src/datasets/export";
import { parquetDataset } from "../../src/datasets/parquet";
import { ConfigError } from "../../src/errors";
import { loadImage } from "../../src/models/inputs/image";
import { imagePrompt } from "../../src/prompts/template";
import type { RatedCot } from "../../src/rollouts";
import type { Task } from "../../src/task";
import { classification } from "../../src/tasks/classification";
import { detection } from "../../src/tasks/detection";
import type { Example, ImageSource, LabelDistribution } from "../../src/types";
import { jpeg, temporaryFolder } from "./temporary";

const formats: readonly ExportFormat[] = ["trl", "sharegpt", "messages", "parquet"];
const moods = classification({ labels: ["joy", "sadness"] });
const joyful: LabelDistribution = { joy: 0.9, sadness: 0.1 };

let dir: string;
let count = 0;
const folder = await temporaryFolder();
const noise = sharp({
  create: { width: 5, height: 3, channels: 3, noise: { type: "gaussian", mean: 120, sigma: 60 }, background: "red" },
});
const webp = join(folder, "ein Bild.WEBP");
await writeFile(webp, await noise.webp({ lossless: true }).toBuffer());
const turned = join(folder, "turned.jpg");
await writeFile(turned, await jpeg(6, 4, 6));
const raw = { width: 2, height: 1, data: Uint8Array.of(1, 2, 3, 250, 251, 252) };
const images: readonly ImageSource[] = [webp, turned, raw, new Uint8Array(await jpeg(3, 3)), webp];
afterAll(() => rm(folder, { recursive: true }));
beforeEach(() => {
  dir = join(folder, `export-${count++}`);
});

const examples = (cots: readonly string[]): readonly Example<LabelDistribution>[] =>
  cots.map((_, i) => ({
    id: `example ${i}`,
    image: images[i % images.length]!,
    annotation: i % 2 === 0 ? joyful : { joy: 1 / 3, sadness: 2 / 3 },
    ...(i % 3 === 0 && { subject: `the "dog" №${i}` }),
    ...(i % 2 === 0 && { metadata: { category: "dogs, wet" } }),
  }));
const rated = <A>(dataset: readonly Example<A>[], cots: readonly string[]): readonly RatedCot<A>[] =>
  dataset.map(({ id, annotation }, i) => ({ exampleId: id, cot: cots[i]!, annotation, reward: 1 / (i + 1) }));

const readBack = async <A>(file: string, task: Task<A>) =>
  file.endsWith(".parquet")
    ? parquetDataset(file, { task, image: "images", example: conversationRow({ task }) })
    : conversationDataset(file, { task });

/** Texts that break formats: tags that are nobody's, quotes, line ends, template marks, other scripts. */
const hostile = fc
  .oneof(
    fc.string({ unit: "grapheme", maxLength: 40 }),
    fc.string({
      unit: fc.constantFrom(
        "<",
        ">",
        "/",
        "think",
        "answer",
        "image",
        "|im_end|",
        "{",
        "}",
        '"',
        "\\",
        "\n",
        "\r",
        "\u2028",
        "\0",
        " ",
        "'",
        ",",
        "\t",
        "😀",
        "\uFEFF",
      ),
    }),
    fc.constantFrom("", "</s>", "{{cot}}", "[[1, 2, 3, 4]]", "a\r\nb", "  around  ", "null", "<|image_pad|>"),
  )
  .filter((text) => !/<\/?(?:think|answer)>|<(?:image|video|audio)>/.test(text) && !/\p{Cs}/u.test(text));

describe.each(formats)("an export as %s", (format) => {
  it("reads back the same cots, annotations, subjects and images", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(hostile, { minLength: 1, maxLength: 6 }), async (texts) => {
        dir = join(folder, `export-${count++}`);
        const dataset = examples(texts);
        const cots = rated(dataset, texts);
        const back = await readBack(await exportCots({ cots, dataset, task: moods, format, dir }), moods);
        expect(cotsOf(back)).toEqual(cots.map((row) => ({ ...row, cot: row.cot.trim() })));
        expect(back.map(({ id, annotation, subject }) => ({ id, annotation, subject }))).toEqual(
          dataset.map(({ id, annotation, subject }) => ({ id, annotation, subject })),
        );
        expect(back.map(({ metadata }) => metadata?.category)).toEqual(
          dataset.map(({ metadata }) => metadata?.category),
        );
        for (const [i, { image }] of back.entries())
          expect(await loadImage(image)).toEqual(await loadImage(dataset[i]!.image));
      }),
      { numRuns: 15 },
    );
  });

  it("reads back boxes and what each is asked about", async () => {
    const task = detection({ space: "pixel" });
    const box = { space: "pixel" as const, x: 0.1, y: 2, width: 3.25, height: 1e-3 };
    const dataset = [
      { id: "1", image: images[0]!, annotation: [box, { ...box, x: 7 }], subject: "cups" },
      { id: "2", image: images[1]!, annotation: [], subject: "plates" },
    ];
    const cots = rated(dataset, ["Two stand on the table.", "There are none."]);
    const back = await readBack(await exportCots({ cots, dataset, task, format, dir }), task);
    expect(back.map(({ annotation, subject }) => ({ annotation, subject }))).toEqual(
      dataset.map(({ annotation, subject }) => ({ annotation, subject })),
    );
  });

  it("refuses a folder that has something in it, and leaves that alone", async () => {
    await mkdir(dir);
    await writeFile(join(dir, "notes.txt"), "mine");
    const dataset = examples(["Sun."]);
    await expect(exportCots({ cots: rated(dataset, ["Sun."]), dataset, task: moods, format, dir })).rejects.toThrow(
      new ConfigError(`${dir}: expected a new or empty folder, got one with "notes.txt" in it; name another`),
    );
    expect(await readdir(dir)).toEqual(["notes.txt"]);
  });

  it("leaves nothing behind when an image cannot be read", async () => {
    const good = examples(["Sun.", "Rain."]);
    const dataset = [good[0]!, { ...good[1]!, image: new Uint8Array(Buffer.from("<html></html>")) }];
    const cots = rated(dataset, ["Sun.", "Rain."]);
    const around = join(folder, `around-${count}`);
    await expect(exportCots({ cots, dataset, task: moods, format, dir: join(around, "export") })).rejects.toThrow(
      /exportCots: example example 1: image of 13 bytes: expected an image .*, got a web page/,
    );
    expect(await readdir(around)).toEqual([]);
    await expect(
      exportCots({ cots, dataset: [good[0]!, { ...good[1]!, image: "no such.png" }], task: moods, format, dir }),
    ).rejects.toThrow(/example example 1: no such\.png: expected /);
  });
});

describe("an export", () => {
  const one = (cot = "Sun.", more: Partial<Example<LabelDistribution>> = {}) => {
    const dataset = [{ ...examples([cot])[0]!, ...more }];
    return { cots: rated(dataset, [cot]), dataset, task: moods, format: "sharegpt" as ExportFormat, dir };
  };
  const lines = async (file: string) =>
    (await readFile(file, "utf8"))
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));

  it("has the prompt and the target that riseR1 trains with", async () => {
    const { dataset, cots } = one();
    const target = formatThinkAnswer("Sun.", moods.format(joyful));
    const [, question] = moods.answerPrompt(dataset[0]!)[0]!.content;
    const asked = (question as { text: string }).text;
    const [trl] = await lines(await exportCots({ ...one(), format: "trl" }));
    expect(trl).toMatchObject({
      prompt: [{ role: "user", content: asked }],
      completion: [{ role: "assistant", content: target }],
      ...{ file_names: ["images/000000.webp"], reward: cots[0]!.reward },
    });
    dir += "-sharegpt";
    const [sharegpt] = await lines(await exportCots({ ...one(), dir }));
    expect(sharegpt).toMatchObject({
      conversations: [
        { from: "human", value: `<image>${asked}` },
        { from: "gpt", value: target },
      ],
      images: ["images/000000.webp"],
    });
    expect(JSON.parse(await readFile(join(dir, "dataset_info.json"), "utf8"))).toEqual({
      rise: {
        ...{ file_name: "train.jsonl", formatting: "sharegpt" },
        columns: { messages: "conversations", images: "images" },
      },
    });
    dir += "-messages";
    const [messages] = await lines(await exportCots({ ...one(), format: "messages", dir }));
    expect(messages.messages).toEqual([
      { role: "user", content: `<image>${asked}` },
      { role: "assistant", content: target },
    ]);
  });

  it("keeps a system turn of the task's prompts", async () => {
    const task: Task<LabelDistribution> = {
      ...moods,
      answerPrompt: ({ image }) => [
        { role: "system", content: [{ type: "text", text: "Be brief." }] },
        ...imagePrompt(image, "Which mood?"),
      ],
    };
    const file = await exportCots({ ...one(), task });
    expect((await lines(file))[0].conversations[0]).toEqual({ from: "system", value: "Be brief." });
    expect((await conversationDataset(file, { task }))[0]!.annotation).toEqual(joyful);
  });

  it("writes an image once that several examples show, with its own bytes", async () => {
    const texts = ["1", "2", "3", "4", "5"];
    const dataset = examples(texts);
    await exportCots({ ...one(), cots: rated(dataset, texts), dataset });
    const names = ["000000.webp", "000001.png", "000002.png", "000003.jpg"];
    expect(await readdir(join(dir, "images"))).toEqual(names);
    expect(await readFile(join(dir, "images", names[0]!))).toEqual(await readFile(images[0] as string));
  });

  it("takes an empty folder's place, below folders that are not there", async () => {
    await mkdir(dir);
    await exportCots(one());
    expect((await readdir(dir)).sort()).toEqual(["dataset_info.json", "images", "train.jsonl"]);
    const deep = join(dir, "a", "b");
    await exportCots({ ...one(), dir: deep });
    expect((await readdir(join(dir, "a"))).sort()).toEqual(["b"]);
    // As any folder that this process makes.
    expect((await stat(deep)).mode).toBe((await stat(join(dir, "a"))).mode);
  });

  it.each([
    ["no cots", { cots: [] }, /expected at least one cot, got none/],
    ["no list of cots", { cots: "cots.jsonl" }, /expected cots to be an array/],
    ["a stream", { dataset: {} }, /expected dataset to be an array of examples; a stream has to be awaited, got \{\}/],
    [
      "a format that there is not",
      { format: "alpaca" },
      /exportCots: expected format to be one of trl, sharegpt, messages, parquet, got "alpaca"/,
    ],
    ["an option that there is not", { threshold: 0.75 }, /exportCots: unknown option "threshold"/],
    ["no task", { task: undefined }, /exportCots: expected task to be a task/],
    ["no folder", { dir: undefined }, /exportCots: expected dir to be text, got nothing/],
    [
      "two cots of an example",
      { cots: [...one().cots, ...one().cots] },
      /example example 0: expected one cot of each example, got two/,
    ],
    [
      "a cot of no example",
      { cots: [{ ...one().cots[0]!, exampleId: "?" }] },
      /no example of the dataset has the id "\?"/,
    ],
    [
      "a cot without a reward",
      { cots: [{ ...one().cots[0]!, reward: Number.NaN }] },
      /expected a number as the reward, got NaN/,
    ],
    [
      "a cot of another annotation",
      { cots: [{ ...one().cots[0]!, annotation: { joy: 0, sadness: 1 } }] },
      /expected the annotation that example example 0 has/,
    ],
    ["tags in a cot", one("a </think> b"), /expected text without <think> and <answer> tags/],
    [
      "a placeholder in a cot",
      one("an <image> of an image"),
      /expected text without <image>, which this format puts for one, .*choose "trl" or "parquet"/,
    ],
    ["half a character", one("a \ud83d b"), /expected Unicode text, got half a character/],
    [
      "a prompt that shows its image last",
      {
        task: {
          ...moods,
          answerPrompt: () => [{ role: "user", content: [...imagePrompt("a", "?")[0]!.content].reverse() }],
        },
      },
      /expected a prompt that begins with its one image, got 1 in turn 0/,
    ],
  ])("refuses %s", async (what, options, message) => {
    const asked = { ...one(), ...options, dir: what === "no folder" ? undefined : dir };
    await expect(exportCots(asked as never)).rejects.toThrow(message);
    await expect(readdir(dir)).rejects.toThrow(/ENOENT/);
  });

  it("is there whole or not at all when the process is killed", async () => {
    const script = `
      const { exportCots } = await import("./src/datasets/export.ts");
      const { classification } = await import("./src/tasks/classification.ts");
      const annotation = { joy: 1, sadness: 0 };
      const dataset = Array.from({ length: 3000 }, (_, i) => ({ id: String(i), annotation, image: { width: 1, height: 1, data: new Uint8Array(3) } }));
      const cots = dataset.map(({ id }) => ({ exampleId: id, cot: "Sun.", annotation, reward: 1 }));
      await exportCots({ cots, dataset, task: classification({ labels: ["joy", "sadness"] }), format: "messages", dir: ${JSON.stringify("@")} });`;
    const around = join(folder, "killed");
    await mkdir(around);
    const child = spawn(
      process.execPath,
      ["--import", "tsx", "--input-type=module", "-e", script.replace("@", join(around, "export"))],
      { cwd: fileURLToPath(new URL("../..", import.meta.url)), stdio: "ignore" },
    );
    const exited = new Promise((resolve) => child.once("exit", (_, signal) => resolve(signal)));
    while ((await readdir(around)).length === 0) await setTimeout(5);
    child.kill("SIGKILL");
    expect(await exited).toBe("SIGKILL");
    expect(await readdir(around)).not.toContain("export");
    dir = join(around, "export");
    await exportCots(one());
    expect(await readdir(dir)).toContain("train.jsonl");
  });
});
