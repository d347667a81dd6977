import { copyFile, mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Omission } from "../../src/dataset";
import {
  type ConversationOptions,
  conversationDataset,
  conversationRow,
  cotsOf,
} from "../../src/datasets/conversations";
import { ConfigError, DataError } from "../../src/errors";
import { classification, oneHot } from "../../src/tasks/classification";
import { detection } from "../../src/tasks/detection";
import type { LabelDistribution } from "../../src/types";
import { jpeg, temporaryFolder } from "./temporary";

const labels = ["joy", "sadness"];
const task = classification({ labels });
const joyful = { joy: 0.9, sadness: 0.1 };
const answer = "{'joy': 0.90, 'sadness': 0.10}";
const thought = `<think>The sun shines.</think><answer>${answer}</answer>`;
const user = (content: unknown) => ({ role: "user", content });
const assistant = (content: unknown) => ({ role: "assistant", content });

let folder: string;
let file: string;
beforeAll(async () => {
  folder = await temporaryFolder();
  file = join(folder, "train.jsonl");
  await mkdir(join(folder, "images"));
  await writeFile(join(folder, "a.jpg"), await jpeg(4, 4));
  await copyFile(join(folder, "a.jpg"), join(folder, "images", "b.jpg"));
});
afterAll(() => rm(folder, { recursive: true }));

const write = async (rows: readonly object[]) => writeFile(file, rows.map((row) => JSON.stringify(row)).join("\n"));
const read = async (row: object, options: Partial<ConversationOptions<LabelDistribution>> = {}) => {
  await write([row]);
  return (await conversationDataset(file, { task, ...options }))[0]!;
};

describe("a conversation", () => {
  it.each([
    [
      "ShareGPT",
      {
        conversations: [
          { from: "human", value: "<image>\nWhich mood?" },
          { from: "gpt", value: thought },
        ],
        images: ["a.jpg"],
      },
    ],
    [
      "VLM-R1",
      {
        conversations: [
          { from: "human", value: "<image>Which mood?" },
          { from: "gpt", value: thought },
        ],
        image: "a.jpg",
      },
    ],
    ["LLaMA-Factory's OpenAI form", { messages: [user("<image>Which mood?"), assistant(thought)], images: ["a.jpg"] }],
    [
      "ms-swift",
      {
        messages: [{ role: "system", content: "Be brief." }, user("<image>Which mood?"), assistant(thought)],
        images: [{ path: "a.jpg", bytes: null }],
      },
    ],
    ["ms-swift's older form", { query: "<image>Which mood?", response: thought, images: ["a.jpg"], history: null }],
    [
      "OpenAI's parts",
      {
        messages: [
          user([
            { type: "image_url", image_url: { url: "a.jpg" } },
            { type: "text", text: "Which mood?" },
          ]),
          assistant([{ type: "text", text: thought }]),
        ],
      },
    ],
    [
      "Qwen's parts",
      {
        messages: [
          user([
            { type: "image", image: "a.jpg" },
            { type: "text", text: "Which mood?" },
          ]),
          assistant(thought),
        ],
      },
    ],
    [
      "TRL's messages",
      {
        messages: [
          user([
            { type: "image", text: null },
            { type: "text", text: "Which mood?" },
          ]),
          assistant([{ type: "text", text: thought }]),
        ],
        images: ["a.jpg"],
      },
    ],
    [
      "TRL's prompt and completion",
      { prompt: [user("Which mood?")], completion: [assistant(thought)], images: ["a.jpg"] },
    ],
    ["TRL's prompt and completion as text", { prompt: "Which mood?", completion: thought, image: "a.jpg" }],
    ["Alpaca", { instruction: "<image>Which", input: "mood?", output: thought, images: ["a.jpg"] }],
    ["Alpaca without input", { instruction: "Which mood?", input: "", output: thought, images: ["a.jpg"] }],
    ["TRL for GRPO", { prompt: [user("Which mood?")], solution: thought, image: "a.jpg" }],
    ["ms-swift for GRPO", { messages: [user("<image>Which mood?")], solution: thought, images: ["a.jpg"] }],
    ["R1-V", { problem: "Which mood?", solution: thought, image: { path: "a.jpg" } }],
    ["an image folder of the Hub", { file_names: ["a.jpg"], prompt: "Which mood?", completion: thought }],
  ])("of %s gives an example with its thought and its question", async (_, row) => {
    expect(await read(row)).toEqual({
      id: "train.jsonl#0",
      image: join(folder, "a.jpg"),
      annotation: joyful,
      subject: expect.stringMatching(/^Which\smood\?$/),
      metadata: { cot: "The sun shines." },
    });
  });

  it("is read as the field's file has it: no thought, an answer that names one label", async () => {
    const fixture = fileURLToPath(new URL("fixtures/tables/D4b-sharegpt.jsonl", import.meta.url));
    expect(await conversationDataset(fixture, { task })).toEqual([
      expect.objectContaining({ annotation: { joy: 1, sadness: 0 }, subject: "Which mood?" }),
    ]);
  });

  it.each([
    ["an answer alone", answer, undefined],
    ["an answer in tags alone", `<answer>${answer}</answer>`, undefined],
    ["a thought, then a bare answer", `<think>Sun.</think>\n\n${answer}`, "Sun."],
    ["an empty thought", `<think>\n</think><answer>${answer}</answer>`, ""],
    ["space and lines around", `\n <think>\nSun.\nRain.\n</think>\n<answer>\n${answer}\n</answer>\n`, "Sun.\nRain."],
  ])("may be answered by %s", async (_, content, cot) => {
    const { annotation, metadata = {} } = await read({ messages: [user("?"), assistant(content)], images: ["a.jpg"] });
    expect([annotation, metadata.cot]).toEqual([joyful, cot]);
  });

  it.each(["reasoning_content", "reasoning", "thinking"])("may have its thought in %s", async (field) => {
    const row = { messages: [user("?"), { ...assistant(answer), [field]: "The sun shines." }], images: ["a.jpg"] };
    expect((await read(row)).metadata).toEqual({ cot: "The sun shines." });
  });

  it("says why the task reads nothing in its answer, if the task knows", async () => {
    await write([{ prompt: "?", completion: '{"bbox_2d": [1, 2, 3, 4]}', image: "a.jpg" }]);
    await expect(conversationDataset(file, { task: detection() })).rejects.toThrow(
      /reads no annotation: .* \(boxes are asked for as \[x, y, w, h\], but "bbox_2d" says .*\); pass onOmission/,
    );
  });

  it("says what the task had to overlook in its answer", async () => {
    const { metadata } = await read({ prompt: "?", completion: "{'joy': 1.0, 'sadness': 0,}", image: "a.jpg" });
    expect(metadata).toEqual({ repairs: ["trailing comma"] });
  });

  it("keeps an id, which may be a whole number, a subject, and what else its row has", async () => {
    const row = { prompt: "Find it.", completion: thought, image: "images/b.jpg" };
    expect(await read({ ...row, id: 7, subject: "the dog", source: "web", reward: 0.5, note: null })).toMatchObject({
      ...{ id: "7", subject: "the dog", image: join(folder, "images", "b.jpg") },
      metadata: { cot: "The sun shines.", source: "web", reward: 0.5 },
    });
    expect((await read({ ...row, subject: null })).subject).toBeUndefined();
    const subject = (question: string) => /the (\w+)/.exec(question)?.[1];
    expect((await read({ ...row, prompt: "Find the cat." }, { subject })).subject).toBe("cat");
    expect((await read(row, { subject })).subject).toBeUndefined();
  });

  it("may be answered in the user's own way", async () => {
    const parse = (text: string) => (labels.includes(text) ? oneHot(labels, text) : null);
    const { annotation } = await read({ prompt: "?", completion: "sadness", image: "a.jpg" }, { parse });
    expect(annotation).toEqual({ joy: 0, sadness: 1 });
  });

  it("may hold its image as a data URL, and name it by a path that is absolute or a file's address", async () => {
    const bytes = await jpeg(2, 2);
    const row = (image: string) => ({ prompt: "?", completion: thought, image });
    const { image } = await read(row(`data:image/jpeg;base64,${bytes.toString("base64")}`));
    expect(image).toEqual(new Uint8Array(bytes));
    for (const path of [join(folder, "images", "b.jpg"), `file://${join(folder, "images", "b.jpg")}`])
      expect((await read(row(path))).image).toBe(join(folder, "images", "b.jpg"));
    const images = await read(row("b.jpg"), { root: join(folder, "images") });
    expect(images.image).toBe(join(folder, "images", "b.jpg"));
  });

  it("may be one of an array, pretty-printed or not", async () => {
    const rows = ["1", "2"].map((id) => ({ id, prompt: "?", completion: thought, image: "a.jpg" }));
    for (const indent of [0, 2]) {
      await writeFile(join(folder, "train.json"), `\uFEFF\n ${JSON.stringify(rows, null, indent)}`);
      const dataset = await conversationDataset(join(folder, "train.json"), { task });
      expect(dataset.map(({ id, annotation }) => [id, annotation])).toEqual([
        ["1", joyful],
        ["2", joyful],
      ]);
    }
    await writeFile(join(folder, "train.json"), JSON.stringify([rows[0], { ...rows[1], image: "none.jpg" }]));
    await expect(conversationDataset(join(folder, "train.json"), { task })).rejects.toThrow(
      /train\.json: row 1: expected an image file at .*none\.jpg, got none/,
    );
  });

  it.each([
    ["no image", { prompt: "?", completion: thought }, "0 images; an example has one"],
    [
      "an image that is null",
      { prompt: "?", completion: thought, image: null, images: [] },
      "0 images; an example has one",
    ],
    [
      "two images",
      { prompt: "?", completion: thought, images: ["a.jpg", "images/b.jpg"] },
      "2 images; an example has one",
    ],
    [
      "two answers",
      { messages: [user("?"), assistant(answer), user("Sure?"), assistant(answer)], images: ["a.jpg"] },
      "a conversation of 2 answers in 4 turns; an example has one, at the end",
    ],
    [
      "a history",
      { query: "?", response: answer, history: [["What is this?", "A dog."]], images: ["a.jpg"] },
      "a conversation of 2 answers in 4 turns; an example has one, at the end",
    ],
    [
      "no answer",
      { messages: [user("?")], images: ["a.jpg"] },
      "a conversation of 0 answers in 1 turn; an example has one, at the end",
    ],
    [
      "a tool's turn",
      { messages: [user("?"), { role: "tool", content: "1" }, assistant(answer)], images: ["a.jpg"] },
      'a conversation with a turn of "tool"',
    ],
    [
      "an answer of another task",
      { prompt: "?", completion: "A dog.", image: "a.jpg" },
      "an answer in which task classification reads no annotation: A dog.",
    ],
    [
      "a thought without end",
      { prompt: "?", completion: `<think>${answer}`, image: "a.jpg" },
      /^an answer whose <think> and <answer> tags do not pair: <think>/,
    ],
    ["two thoughts", { prompt: "?", completion: `<think>1</think>${thought}`, image: "a.jpg" }, /tags do not pair/],
  ])("with %s is left out by name, or refused", async (_, row, reason) => {
    await expect(read(row)).rejects.toThrow(DataError);
    await expect(read(row)).rejects.toThrow(/train\.jsonl:1: .*; pass onOmission to leave it out$/);
    const omissions: Omission[] = [];
    await write([row, { prompt: "?", completion: thought, image: "a.jpg" }]);
    const dataset = await conversationDataset(file, { task, onOmission: (omission) => omissions.push(omission) });
    expect(dataset.map(({ id }) => id)).toEqual(["train.jsonl#1"]);
    expect(omissions).toEqual([
      { where: `${file}:1`, reason: typeof reason === "string" ? reason : expect.stringMatching(reason) },
    ]);
  });

  it.each([
    ["is no object", [1], /train\.jsonl:2: expected an object, got \[1\]/],
    [
      "has no conversation",
      { text: "?", image: "a.jpg" },
      /:2: expected messages, conversations, or prompt and completion, .*; the fields there are text, image/,
    ],
    [
      "has half a pair",
      { prompt: "?", image: "a.jpg" },
      /:2: expected messages, conversations, or prompt and completion/,
    ],
    [
      "has turns without a text",
      { messages: [user(null)] },
      /:2: turn 0: expected role and content, or from and value, with a text, got \{"role":"user"/,
    ],
    ["has turns that are no objects", { messages: ["?"] }, /:2: messages\.0: expected an object, got "\?"/],
    [
      "has an id that is half a number",
      { id: 0.5, prompt: "?", completion: answer, image: "a.jpg" },
      /:2: id: expected text or a whole number, got 0\.5/,
    ],
    [
      "names an address",
      { prompt: "?", completion: answer, image: "https://a.org/b.jpg" },
      /:2: expected the path of an image, got the address "https:.*; download it first/,
    ],
    [
      "names an image elsewhere",
      { prompt: "?", completion: answer, image: "/etc/hostname" },
      /:2: expected an image path inside/,
    ],
    [
      "names an image in another case",
      { prompt: "?", completion: answer, image: "A.JPG" },
      /:2: expected an image file .*, got none; a\.jpg is there/,
    ],
    [
      "has numbers that are no distribution",
      { prompt: "?", completion: "{'joy': 0.9, 'sadness': 0.3}", image: "a.jpg" },
      /:2: .*expected a sum of 1/,
    ],
    ["is no JSON", "{", /:2: expected a JSON object, got text that ends early/],
  ])("is refused, with file and line, that %s", async (_, row, message) => {
    const good = JSON.stringify({ prompt: "?", completion: thought, image: "a.jpg" });
    await writeFile(file, `${good}\n${typeof row === "string" ? row : JSON.stringify(row)}`);
    await expect(conversationDataset(file, { task })).rejects.toThrow(DataError);
    await expect(conversationDataset(file, { task })).rejects.toThrow(message);
  });

  it("gives boxes to a task of boxes", async () => {
    await write([{ problem: "the cup", solution: "<answer>[1, 2, 3, 4]</answer>", image: "a.jpg" }]);
    const [example] = await conversationDataset(file, { task: detection({ single: true }) });
    expect(example).toMatchObject({
      annotation: [{ space: "thousand", x: 1, y: 2, width: 3, height: 4 }],
      subject: "the cup",
    });
  });

  it("is not there in an empty file or array", async () => {
    for (const text of ["", "\n", "[]", " [ ] "]) {
      await writeFile(file, text);
      await expect(conversationDataset(file, { task })).rejects.toThrow(/train\.jsonl: expected at least one/);
    }
  });
});

describe("cots of a data set", () => {
  it("are the thoughts of its examples, with reward 1 unless the rows have one", async () => {
    const row = { prompt: "?", completion: thought, image: "a.jpg" };
    await write([row, { ...row, reward: 0.8 }, { ...row, completion: answer }]);
    expect(cotsOf(await conversationDataset(file, { task }))).toEqual([
      { exampleId: "train.jsonl#0", cot: "The sun shines.", annotation: joyful, reward: 1 },
      { exampleId: "train.jsonl#1", cot: "The sun shines.", annotation: joyful, reward: 0.8 },
    ]);
  });

  it("are of an array", () => {
    expect(() => cotsOf(conversationDataset(file, { task }) as never)).toThrow(/dataset to be an array, .*awaited/);
  });
});

describe("the arguments of a conversation data set", () => {
  it.each([
    [undefined, { task }, /conversationDataset: expected path to be text, got nothing/],
    ["x.jsonl", undefined, /conversationDataset: expected its options to be an object, got undefined/],
    ["x.jsonl", {}, /conversationDataset: expected task to be a task/],
    ["x.jsonl", { task, rot: "." }, /unknown option "rot"; did you mean "root"\?/],
  ])("are checked at once: %j", (path, options, message) => {
    expect(() => conversationDataset(path as never, options as never)).toThrow(ConfigError);
    expect(() => conversationDataset(path as never, options as never)).toThrow(message);
  });

  it("name the row of a table that has no conversation", () => {
    expect(() => conversationRow({ task })({ prompt: "?" }, "x.parquet: row 3")).toThrow(
      /^x\.parquet: row 3: expected messages/,
    );
    expect(() => conversationRow({ task })({ prompt: "?", completion: "A dog." }, "x.parquet: row 3")).toThrow(
      /^x\.parquet: row 3: an answer in which task classification reads no annotation/,
    );
    expect(() => conversationRow({} as never)).toThrow(ConfigError);
  });
});
