import { mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join, sep } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, it } from "vitest";
import { type AnnotateDatasetOptions, annotateDataset, readAnnotations } from "../../src/annotation";
import type { VlmBackend } from "../../src/backend";
import { onnxBackend } from "../../src/backends/onnx";
import { formatThinkAnswer } from "../../src/checks/think-answer";
import { csvDataset } from "../../src/datasets/csv";
import { BackendError, CheckpointError, ConfigError, DataError } from "../../src/errors";
import { evaluate } from "../../src/evaluation/evaluate";
import { classification } from "../../src/tasks/classification";
import { detection } from "../../src/tasks/detection";
import { promptKey, scriptedBackend } from "../../src/testing/scripted-backend";
import type { Box, LabelDistribution } from "../../src/types";
import { jpeg, temporaryFolder, writeFiles } from "../datasets/temporary";
import { checkpointDir } from "../models/reference";
import {
  annotationRun,
  collect,
  contents,
  counting,
  evaluationBackend,
  failingFor,
  manyExamples,
  moods,
  readRows,
  slow,
  smiling,
  withFolders,
} from "../rise/world";

type Options = Partial<AnnotateDatasetOptions<LabelDistribution>>;
const refusal = () => new BackendError("the prompt was refused");
const idsOf = async (options: Options) => (await (await annotationRun(options)).annotations).map(({ id }) => id);

async function folderOfImages(): Promise<string> {
  const folder = await temporaryFolder();
  const image = await jpeg(8, 8);
  await writeFiles(folder, { "b.jpg": image, "a.JPG": image, "more/c.png": image, "more/deep/d.webp": image });
  await writeFiles(folder, { "labels.csv": "image\n", "IMG_1.HEIC": image, ".DS_Store": "", "more/Thumbs.db": "" });
  await writeFiles(folder, { ".git/e.jpg": image, "__MACOSX/f.jpg": image, "more/desktop.ini": "" });
  return folder;
}

describe("annotateDataset", () => {
  it("gives every image its annotation, reasons and text, in the order of the images", async () => {
    const { images, failed, annotations } = await annotationRun({});
    expect([images, failed]).toEqual([9, []]);
    const rows = await annotations;
    expect(rows.map(({ id }) => id)).toEqual(manyExamples.map(({ id }) => id));
    const text = formatThinkAnswer(smiling, moods.format({ joy: 1, sadness: 0 }));
    const answer = { joy: 1, sadness: 0 };
    expect(rows[0]).toEqual({ id: "party", image: "party.png", think: smiling, answer, text, finishReason: "stop" });
    const failure = "the completion is not <think>…</think><answer>…</answer>";
    expect(rows[1]).toMatchObject({ id: "picnic", think: null, answer: null, text: "I see people.", failure });
    expect(await collect(annotations)).toEqual(rows);
  });

  it("asks for as many images in a call as evaluate does, and as many calls at once as it may", async () => {
    const sizes: number[] = [];
    await annotationRun({ backend: counting(evaluationBackend(), (n) => sizes.push(n)), batchSize: 4 });
    const evaluated: number[] = [];
    const backend = counting(evaluationBackend(), (n) => evaluated.push(n));
    await evaluate({ task: moods, dataset: manyExamples, backend, batchSize: 4 });
    expect(sizes).toEqual([4, 4, 1]);
    expect(evaluated).toEqual(sizes);
  });

  it("writes the same bytes for batches of any size, and calls that come back in any order", () =>
    withFolders(2, async (one, other) => {
      await annotationRun({ runDir: one! });
      const backend = slow(evaluationBackend(), (call) => 10 * (5 - call));
      await annotationRun({ runDir: other!, backend, batchSize: 1, concurrency: 4 });
      expect(await contents(other!)).toEqual(await contents(one!));
    }));

  it("tells of every image as it comes, and never works ahead of its reader", async () => {
    let asked = 0;
    const run = annotationRun({ backend: counting(evaluationBackend(), (n) => (asked += n)), batchSize: 1 });
    const seen: string[] = [];
    for await (const event of run) {
      seen.push(event.type);
      if (event.type === "images-found") expect(event).toMatchObject({ total: 9, done: 0, leftOut: [] });
      if (event.type === "image-end") {
        expect(event).toMatchObject({ done: seen.length - 1, failed: 0, total: 9 });
        expect(asked).toBeLessThanOrEqual(event.done + 1);
      }
    }
    expect(seen).toEqual(["images-found", ...Array(9).fill("image-end"), "run-end"]);
  });

  it.each<[string, object, string]>([
    ["an unknown option", { image: "a.jpg" }, 'unknown option "image"; did you mean "images"?'],
    [
      "no images",
      { images: undefined },
      "expected images to be a folder, an image, a .jsonl file, or a list or stream of images",
    ],
    ["a number", { images: 7 }, "expected images to be a folder"],
    ["a shard of none", { shard: "0/4", runDir: "x" }, 'expected shard to be a part and their number, from "1/16" to'],
    ["a shard beyond the last", { shard: "5/4", runDir: "x" }, 'got "5/4"'],
    ["a shard without runDir", { shard: "1/4" }, 'expected no shard without a runDir, got "1/4"; leave it out'],
    ["to resume without runDir", { resume: true }, "expected no resume without a runDir, got true"],
    ["to try again without runDir", { retryFailed: true }, "expected no retryFailed without a runDir, got true"],
    ["a page without runDir", { sheet: 3 }, "expected no sheet without a runDir, got 3"],
    [
      "a limit that is never reached",
      { onFailure: "throw", failureLimit: 2 },
      'no failureLimit beside onFailure: "thr',
    ],
    ["a root of no file", { images: ["a.png"], root: "x" }, 'expected no root without a .jsonl file, got "x"'],
  ])("refuses %s before anything is asked", async (_, options, message) => {
    await expect(annotationRun(options)).rejects.toThrow(message);
    await expect(annotationRun(options)).rejects.toThrow(ConfigError);
  });

  it("says how it goes, in lines that name what failed and where the annotations are", () =>
    withFolders(1, async (runDir) => {
      const lines: string[] = [];
      const backend = failingFor(evaluationBackend(), "street-2", () => new DataError("it is a PDF"));
      await annotationRun({ runDir: runDir!, backend, log: (line) => lines.push(line) });
      expect(lines[0]).toContain("annotateDataset");
      expect(lines.at(-1)).toContain(
        `7 of 9 images annotated; annotations are in ${runDir}; 1 answer cannot be read; 1 failed: street-2: it is`,
      );
    }));

  it.each([
    ["length", "1 answer cannot be read, 1 of them cut off: raise maxTokens"],
    ["stop", "1 answer cannot be read"],
  ] as const)("counts answers that are no annotation, which end by %s, also when it resumes", (finishReason, words) =>
    withFolders(1, async (runDir) => {
      const inner = evaluationBackend();
      const backend: VlmBackend = {
        ...inner,
        generate: async (prompts, options) =>
          (await inner.generate(prompts, options)).map((group) => group.map((one) => ({ ...one, finishReason }))),
      };
      const lines: string[] = [];
      const options = { runDir: runDir!, backend, log: (line: string) => void lines.push(line) };
      const counts = { images: 9, failed: [], unreadable: 1, cutOff: finishReason === "length" ? 1 : 0 };
      for (const resume of [false, true]) {
        expect(await annotationRun({ ...options, resume })).toMatchObject(counts);
        expect(lines.at(-1)).toBe(`annotateDataset: 8 of 9 images annotated; annotations are in ${runDir}; ${words}`);
      }
    }),
  );

  it("stops between calls when asked to, and is resumed", () =>
    withFolders(1, async (runDir) => {
      const stop = new AbortController();
      const reading = async () => {
        for await (const event of annotationRun({ runDir: runDir!, stop: stop.signal }))
          if (event.type === "image-end" && event.done === 3) stop.abort(new Error("enough"));
      };
      await expect(reading()).rejects.toThrow("enough");
      expect(await readRows(join(runDir!, "annotations.jsonl"))).toHaveLength(4);
      expect(await idsOf({ runDir: runDir!, resume: true })).toEqual(manyExamples.map(({ id }) => id));
    }));
});

describe("annotateDataset, for images that come", () => {
  it("from a folder, takes those in its folders too, and lists what is no image, without what systems leave there", async () => {
    const folder = await folderOfImages();
    const { annotations, leftOut } = await annotationRun({ images: folder });
    const rows = await annotations;
    expect(rows.map(({ id, image }) => [id, image])).toEqual(
      ["a.JPG", "b.jpg", "more/c.png", "more/deep/d.webp"].map((name) => [name, name]),
    );
    expect(leftOut).toEqual([
      { where: join(folder, "IMG_1.HEIC"), reason: "expected an image, got a HEIC image; convert it to PNG or JPEG" },
      { where: join(folder, "labels.csv"), reason: "expected an image, got a file that is named .csv" },
    ]);
  });

  it("from the working folder, has the names that it has from its full path", async () => {
    const folder = await folderOfImages();
    await writeFiles(folder, sep === "/" ? { "one\\two.png": await jpeg(8, 8) } : {});
    const expected = await idsOf({ images: folder });
    const before = process.cwd();
    process.chdir(folder);
    try {
      for (const images of [".", "./", "more/.."]) expect(await idsOf({ images })).toEqual(expected);
    } finally {
      process.chdir(before);
    }
    expect(expected.includes("one\\two.png")).toBe(sep === "/");
  });

  it("as one image, has its name", async () => {
    const folder = await folderOfImages();
    expect(await idsOf({ images: join(folder, "more/c.png") })).toEqual(["c.png"]);
  });

  it("as JSON lines, resolves paths from the file's folder or from root, and keeps ids and subjects", async () => {
    const folder = await folderOfImages();
    await writeFiles(folder, {
      "list.jsonl":
        '{"image":"b.jpg","id":null,"subject":null}\n{"id":7,"image":"more/c.png","subject":"a cat","x":1}\n',
    });
    const prompts: string[] = [];
    const backend = scriptedBackend((prompt) => prompts.push(promptKey(prompt)).toString());
    const rows = await (await annotationRun({ images: join(folder, "list.jsonl"), backend })).annotations;
    expect(rows.map(({ id, image, subject }) => [id, image, subject])).toEqual([
      ["b.jpg", "b.jpg", undefined],
      ["7", "more/c.png", "a cat"],
    ]);
    expect(prompts[1]).toContain(`[${join(folder, "more/c.png")}]`);
    await writeFiles(folder, { "more/list.jsonl": '{"image":"b.jpg"}\n' });
    const { failed } = await annotationRun({ images: join(folder, "more/list.jsonl"), root: folder, backend });
    expect(failed).toEqual([]);
  });

  it("as a list or stream of paths, URLs, bytes with an id, or a data set's examples", async () => {
    const folder = await folderOfImages();
    const list = [
      join(folder, "b.jpg"),
      pathToFileURL(join(folder, "a.JPG")),
      { id: "bytes", image: await jpeg(2, 2) },
    ];
    const ids = [join(folder, "b.jpg"), join(folder, "a.JPG"), "bytes"];
    expect(await idsOf({ images: list })).toEqual(ids);
    expect(await idsOf({ images: new Set(list) })).toEqual(ids);
    async function* streamed() {
      yield* list;
    }
    expect(await idsOf({ images: streamed() })).toEqual(ids);
    await writeFiles(folder, { "labels.csv": "image,joy,sadness\nb.jpg,1,0\nmore/c.png,0,1\n" });
    expect(await idsOf({ images: csvDataset(join(folder, "labels.csv"), ["joy", "sadness"]) })).toEqual([
      "b.jpg",
      "more/c.png",
    ]);
  });

  it("reads a stream as its images are needed, and closes it when it stops", async () => {
    let [read, isClosed] = [0, false];
    async function* endless() {
      try {
        for (;;) yield { id: String(read++), image: "a.png" };
      } finally {
        isClosed = true;
      }
    }
    for await (const event of annotationRun({ images: endless() }))
      if (event.type === "image-end" && event.done === 5) break;
    expect(read).toBeLessThan(12);
    expect(isClosed).toBe(true);
  });

  it.each(["signal", "stop"])("stops waiting for the next image of a stream when %s says so", async (option) => {
    const abort = new AbortController();
    async function* waiting() {
      yield { id: "a", image: "a.png" };
      abort.abort(new Error("enough"));
      await new Promise(() => {});
    }
    await expect(annotationRun({ images: waiting(), [option]: abort.signal })).rejects.toThrow("enough");
  });

  it.each<[string, (folder: string) => unknown, RegExp]>([
    [
      "nowhere",
      (folder) => join(folder, "none"),
      /expected a folder of images, an image, or a \.jsonl file, at .*none, got no such/,
    ],
    ["as a table", (folder) => join(folder, "labels.csv"), /got a file named \.csv; a list of paths is an array/],
    ["as an empty folder", (folder) => join(folder, "more/empty"), /expected images, got none among 0 files/],
    ["twice", () => ["a.jpg", "b.jpg", "a.jpg"], /expected an id of its own for each, got "a\.jpg" twice/],
    ["without an id", () => [new Uint8Array(3)], /expected a path, or \{ id, image \}, but number 0 is/],
    ["as an id alone", () => [{ id: "a" }], /but number 0 is \{"id":"a"\}/],
  ])("refuses those %s", async (_, images, message) => {
    const folder = await folderOfImages();
    await mkdir(join(folder, "more/empty"));
    const run = annotationRun({ images: images(folder) as never });
    await expect(run).rejects.toThrow(message);
    await expect(run).rejects.toThrow(DataError);
  });
});

describe("annotateDataset, for an image that fails", () => {
  const unreadable = (pattern: string) =>
    failingFor(evaluationBackend(), pattern, () => new DataError(`${pattern}: expected an image, got a PDF`));

  it("writes a row that says why, lists it, and annotates the others", async () => {
    const { failed, annotations } = await annotationRun({ backend: unreadable("street-2") });
    const message = "street-2: expected an image, got a PDF";
    expect(failed).toEqual([{ exampleId: "street-2", message }]);
    const rows = await annotations;
    expect(rows.map(({ failure }) => failure)).toContain(message);
    expect(rows.filter(({ answer }) => answer !== null)).toHaveLength(7);
    expect(rows.find(({ id }) => id === "street-2")).toMatchObject({ finishReason: "error", think: null, text: "" });
  });

  it("reads the others of its batch in one call of onnxBackend, whatever is wrong with it", async () => {
    const backend = await onnxBackend({ model: checkpointDir, device: "cpu" });
    const sizes: number[] = [];
    const folder = await folderOfImages();
    await writeFiles(folder, { "more/bad.jpg": "%PDF-1.7", "more/gone.txt": "" });
    await symlink(join(folder, "..", "nothing.jpg"), join(folder, "gone.jpg"));
    const counted = counting(backend, (n) => sizes.push(n));
    const { failed } = await annotationRun({ images: folder, backend: counted, batchSize: 16, maxTokens: 4 });
    expect(sizes).toEqual([5]);
    expect(failed.map(({ exampleId }) => exampleId)).toEqual(["gone.jpg", "more/bad.jpg"]);
    expect(failed[1]!.message).toContain("got a PDF; convert it to PNG or JPEG");
    await backend.dispose();
  });

  it("continues after any number of unreadable images, and even if all are", async () => {
    const { failed, images } = await annotationRun({ backend: unreadable(".png"), failureLimit: 2 });
    expect([failed.length, images]).toEqual([9, 9]);
  });

  it("throws if asked to, after failureLimit refusals in a row, and if the backend refuses all", async () => {
    const asked = annotationRun({ backend: unreadable("street-2"), onFailure: "throw" });
    await expect(asked).rejects.toThrow("annotateDataset: example street-2: street-2: expected an image");
    const refusing = failingFor(evaluationBackend(), "street", refusal);
    await expect(annotationRun({ backend: refusing, failureLimit: 3 })).rejects.toThrow("failure number 3 in a row");
    const never = failingFor(evaluationBackend(), "png", refusal);
    await expect(annotationRun({ backend: never, failureLimit: 99 })).rejects.toThrow("(no example succeeded)");
  });

  it("reads nothing outside the folder of a list, and says so in the image's row", async () => {
    const folder = await folderOfImages();
    await writeFiles(folder, { "more/list.jsonl": '{"image":"../b.jpg"}\n{"image":"c.png"}\n{"image":"none.png"}\n' });
    const asked: string[] = [];
    const backend = scriptedBackend((prompt) => asked.push(promptKey(prompt)).toString());
    const { failed } = await annotationRun({ images: join(folder, "more/list.jsonl"), backend });
    expect(failed.map(({ message }) => message.replace(/^.*?: /, ""))).toEqual([
      expect.stringMatching(/^expected an image path inside .*more, got "\.\.\/b\.jpg"/),
      expect.stringMatching(/^expected an image file at .*none\.png, got none/),
    ]);
    expect(asked).toHaveLength(1);
  });
});

describe("annotateDataset, with a runDir", () => {
  const rowsOf = (folder: string) => readRows(join(folder, "annotations.jsonl"));

  it("asks again only for failures that may pass, or for all that failed", () =>
    withFolders(1, async (runDir) => {
      const busy = () => new BackendError("busy", { scope: "moment" });
      const failing = failingFor(failingFor(evaluationBackend(), "street-1", busy), "street-2", refusal);
      await annotationRun({ runDir: runDir!, backend: failing });
      expect((await rowsOf(runDir!)).filter(({ finishReason }) => finishReason === "error")).toHaveLength(2);
      const asked: number[] = [];
      const backend = counting(evaluationBackend(), (n) => asked.push(n));
      const again = await annotationRun({ runDir: runDir!, resume: true, backend });
      expect([asked, again.failed.map(({ exampleId }) => exampleId)]).toEqual([[1], ["street-2"]]);
      const all = await annotationRun({ runDir: runDir!, resume: true, retryFailed: true, backend });
      expect([asked, all.failed]).toEqual([[1, 1], []]);
      expect((await rowsOf(runDir!)).map(({ id }) => id)).toEqual(manyExamples.map(({ id }) => id));
    }));

  it("annotates images that were added since, and refuses rows of images that are not there", () =>
    withFolders(1, async (runDir) => {
      await annotationRun({ runDir: runDir!, images: manyExamples.slice(3) });
      let asked = 0;
      const backend = counting(evaluationBackend(), (n) => (asked += n));
      expect(await idsOf({ runDir: runDir!, resume: true, backend })).toEqual(manyExamples.map(({ id }) => id));
      expect(asked).toBe(3);
      const fewer = annotationRun({ runDir: runDir!, resume: true, images: manyExamples.slice(1) });
      await expect(fewer).rejects.toThrow(/expected annotations of these images, got 1 of others, such as party;/);
      await expect(fewer).rejects.toThrow(CheckpointError);
    }));

  it("refuses to resume with another task, prompt, model, shard or subject, and a directory in use", () =>
    withFolders(1, async (runDir) => {
      await annotationRun({ runDir: runDir! });
      const resumed = (options: Options) => annotationRun({ runDir: runDir!, resume: true, ...options });
      await expect(resumed({ task: { ...moods, name: "other" } })).rejects.toThrow(
        'task ("moods" there, "other" here)',
      );
      const answerPrompt = () => [{ role: "user" as const, content: [{ type: "text" as const, text: "?" }] }];
      await expect(resumed({ task: { ...moods, answerPrompt } })).rejects.toThrow("prompts.sha256");
      await expect(resumed({ maxTokens: 7 })).rejects.toThrow("maxTokens (512 there, 7 here)");
      await expect(resumed({ shard: "1/2" })).rejects.toThrow('shard (absent there, "1/2" here)');
      const message = 'expected the subject undefined of "party", as it was asked about, got "a cat"';
      const images = manyExamples.map((example) => ({ ...example, subject: "a cat" }));
      await expect(resumed({ images })).rejects.toThrow(message);
      await expect(annotationRun({ runDir: runDir! })).rejects.toThrow("pass resume: true");
    }));

  it("refuses to resume from a damaged row, and does so once the row is mended", () =>
    withFolders(1, async (runDir) => {
      await annotationRun({ runDir: runDir! });
      const file = join(runDir!, "annotations.jsonl");
      const rows = await readFile(file, "utf8");
      await writeFile(file, `{"id":1}\n${rows}`);
      const resumed = () => idsOf({ runDir: runDir!, resume: true });
      await expect(resumed()).rejects.toThrow(/annotations\.jsonl: line 1: expected an annotation/);
      await writeFile(file, rows);
      expect(await resumed()).toEqual(manyExamples.map(({ id }) => id));
    }));

  it("has a table that csvDataset reads, with a column for each label", () =>
    withFolders(1, async (runDir) => {
      const folder = await folderOfImages();
      const backend = scriptedBackend([formatThinkAnswer('It "smiles",\nbroadly.', "{'joy': 0.75, 'sadness': 0.25}")]);
      await annotationRun({ images: folder, runDir: runDir!, backend });
      const table = await readFile(join(runDir!, "annotations.csv"), "utf8");
      expect(table.split("\n")[0]).toBe("id,image,subject,joy,sadness,think,failure");
      expect(table).toContain('a.JPG,a.JPG,,0.75,0.25,"It ""smiles"",\nbroadly.",\n');
      const dataset = await csvDataset(join(runDir!, "annotations.csv"), ["joy", "sadness"], { root: folder });
      expect(dataset.map(({ annotation }) => annotation)).toEqual(Array(4).fill({ joy: 0.75, sadness: 0.25 }));
    }));

  it("has a table without formulas, whose images csvDataset finds", () =>
    withFolders(1, async (runDir) => {
      const folder = await temporaryFolder();
      await writeFiles(folder, { "=1+1.png": await jpeg(8, 8) });
      const backend = scriptedBackend([formatThinkAnswer("@SUM(1)", "{'joy': 1, 'sadness': 0}")]);
      const task = classification({ labels: ["joy", "sadness"], question: "How does {{subject}} feel?" });
      await annotationRun({ task, images: folder, subject: "-2", runDir: runDir!, backend });
      const table = await readFile(join(runDir!, "annotations.csv"), "utf8");
      expect(table.split("\n")[1]).toBe("'=1+1.png,./=1+1.png,'-2,1,0,'@SUM(1),");
      const [example] = await csvDataset(join(runDir!, "annotations.csv"), ["joy", "sadness"], { root: folder });
      expect(example!.image).toBe(join(folder, "=1+1.png"));
    }));

  it("has a table with boxes as JSON, and a page that shows images, boxes and reasons", () =>
    withFolders(1, async (runDir) => {
      const folder = await folderOfImages();
      const task = detection({ target: "a cup" });
      const box: Box = { space: "thousand", x: 100, y: 100, width: 300, height: 200 };
      const backend = scriptedBackend([`<think>It stands there.</think><answer>${task.format([box])}</answer>`]);
      await annotateDataset({ task, images: folder, backend, runDir: runDir!, sheet: 2 });
      const table = await readFile(join(runDir!, "annotations.csv"), "utf8");
      expect(table).toMatch(
        /^id,image,subject,answer,think,failure\na\.JPG,a\.JPG,,"\[\{""space"":""thousand"",""x"":100,/,
      );
      const whole = await readFile(join(runDir!, "annotations.html"), "utf8");
      // The page's script writes such elements too.
      const page = whole.replace(/<script[\s\S]*?<\/script>/g, "");
      expect(page.match(/<svg class="picture"/g)).toHaveLength(2);
      // Two boxes, and the legend.
      expect(page.match(/<rect class="prediction"/g)).toHaveLength(3);
      expect(page).toContain("It stands there.");
      expect(page).not.toContain("Truth");
    }));

  it("can be read again, also while it is under way", () =>
    withFolders(1, async (runDir) => {
      for await (const event of annotationRun({ runDir: runDir!, batchSize: 1 }))
        if (event.type === "image-end" && event.done === 2) {
          const ids = (await readAnnotations(runDir!)).map(({ id }) => id);
          expect(ids.slice(0, 2)).toEqual(["party", "picnic"]);
        }
      expect(await readAnnotations(runDir!)).toHaveLength(9);
      await writeFile(join(runDir!, "annotations.jsonl"), '{"id":1}\n');
      await expect(readAnnotations(runDir!)).rejects.toThrow(/annotations\.jsonl: line 1: expected an annotation/);
      await expect(readAnnotations(join(runDir!, "none"))).rejects.toThrow("got no such file");
    }));
});

describe("annotateDataset beside annotate and evaluate", () => {
  it("gives the same texts", async () => {
    const backend: VlmBackend = await onnxBackend({ model: checkpointDir, device: "cpu" });
    const folder = await folderOfImages();
    const options = { task: moods, backend, maxTokens: 12 };
    const rows = await (await annotateDataset({ ...options, images: folder })).annotations;
    const dataset = rows.map(({ id }) => ({ id, image: join(folder, id), annotation: { joy: 1, sadness: 0 } }));
    const { records } = await evaluate({ ...options, dataset });
    expect(rows.map(({ text }) => text)).toEqual(records.map(({ text }) => text));
    await backend.dispose();
  });
});
