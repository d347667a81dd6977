import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { checkCots, type SftSample, sftSamples } from "../cots/check";
import { DataError } from "../errors";
import { writeWholeFolder } from "../files/whole-folder";
import { shown } from "../options/display";
import { given, keyOf, readOptions, specOf, text as textOption } from "../options/spec";
import type { RatedCot } from "../rollouts";
import type { Task } from "../task";
import type { Example, ImageSource, Prompt } from "../types";
import { imageFile } from "./formats/export-image";
import { writeParquet } from "./formats/parquet-rows";
import { taskOption } from "./reading/options";

/** Options of `exportCots`. */
export interface ExportOptions<A> {
  /** D_RISE, D_high, or some of their rows; one for each example. */
  readonly cots: readonly RatedCot<A>[];
  /** The examples that the cots belong to. */
  readonly dataset: readonly Example<A>[];
  readonly task: Task<A>;
  /**
   * - `"trl"`: `metadata.jsonl` of `prompt` and `completion`, which `load_dataset("imagefolder", data_dir=…)` reads
   *   with the images;
   * - `"sharegpt"`: `train.jsonl` of `conversations`, with LLaMA-Factory's `dataset_info.json`, where the data set is
   *   `rise`;
   * - `"messages"`: `train.jsonl` of OpenAI's `messages`, as ms-swift reads them;
   * - `"parquet"`: `train.parquet`, TRL's columns with the images embedded.
   */
  readonly format: ExportFormat;
  /** The folder to make. */
  readonly dir: string;
}

/** A format of conversations that other trainers read. */
export type ExportFormat = "trl" | "sharegpt" | "messages" | "parquet";

/**
 * Writes the samples of `riseR1`'s SFT for other trainers: `task.answerPrompt(example)`, and
 * `<think>R</think><answer>A</answer>`. `selectHighQuality` makes D_high of D_RISE.
 *
 * Images become files in `images/`, numbered by row; a Parquet file embeds them. They keep their bytes, except that
 * pixels in memory, and images with an orientation tag, become PNGs. Every row also has `id`, `subject`,
 * `category` (`metadata.category`; null without one) and `reward`, so that `conversationDataset` restores the examples.
 *
 * The folder appears complete, or not at all.
 *
 * @returns the path of the file with the rows
 * @throws ConfigError for an unknown option or format, and a folder that is not empty; DataError for cots that `riseR1`
 * would refuse, a second cot of an example, an image that cannot be read, and text that the format cannot hold
 * @example
 * const file = await exportCots({ cots: selectHighQuality(cots), dataset, task, format: "sharegpt", dir: "exported" });
 */
export async function exportCots<A>(options: ExportOptions<A>): Promise<string> {
  const { cots, dataset, task, format, dir } = readOptions("exportCots", options, exportCotsSpec);
  checkCots(cots);
  if (cots.length === 0) throw new DataError("exportCots: expected at least one cot, got none");
  const { file, more = {} } = formats[format];
  const rows = exportedRows(sftSamples(cots, { task, dataset }), format);
  await writeWholeFolder(dir, async (folder) => {
    const path = join(folder, file);
    if (format === "parquet") return writeParquet(path, embedded(rows, formats[format]));
    await mkdir(join(folder, "images"));
    for (const [name, content] of Object.entries(more))
      await writeFile(join(folder, name), `${JSON.stringify(content, null, 2)}\n`);
    await writeFile(path, lines(rows, formats[format], folder));
  });
  return join(dir, file);
}

interface Turn {
  readonly role: string;
  readonly content: string;
}

interface Exported {
  readonly image: ImageSource;
  readonly where: string;
  readonly prompt: readonly Turn[];
  readonly completion: readonly Turn[];
  readonly about: {
    readonly id: string;
    readonly subject: string | null;
    readonly category: string | null;
    readonly reward: number;
  };
}

interface Format {
  /** The name of the file that holds the rows. */
  readonly file: string;
  /** The mark of the image at the beginning of the question; if empty, the trainer inserts the image there. */
  readonly mark: string;
  row(prompt: readonly Turn[], completion: readonly Turn[], images: readonly unknown[]): object;
  /** Other files, as JSON. */
  readonly more?: Readonly<Record<string, unknown>>;
}

const formats: Readonly<Record<ExportFormat, Format>> = {
  trl: {
    file: "metadata.jsonl",
    mark: "",
    row: (prompt, completion, paths) => ({ prompt, completion, file_names: paths }),
  },
  sharegpt: {
    file: "train.jsonl",
    mark: "<image>",
    row: (prompt, completion, images) => ({
      conversations: [...prompt, ...completion].map(({ role, content }) => ({
        from: speakers.get(role),
        value: content,
      })),
      images,
    }),
    more: {
      "dataset_info.json": {
        rise: {
          file_name: "train.jsonl",
          formatting: "sharegpt",
          columns: { messages: "conversations", images: "images" },
        },
      },
    },
  },
  messages: {
    file: "train.jsonl",
    mark: "<image>",
    row: (prompt, completion, images) => ({ messages: [...prompt, ...completion], images }),
  },
  parquet: {
    file: "train.parquet",
    mark: "",
    row: (prompt, completion, images) => ({ prompt, completion, images }),
  },
};

const isArray = (value: unknown) => Array.isArray(value);

export const exportCotsSpec = specOf<ExportOptions<never>>()(() => ({
  cots: given("an array of cots").describe("D_RISE, D_high, or any of their rows; one for each example"),
  dataset: given("an array of examples; a stream has to be awaited", isArray).describe("The examples of the cots"),
  task: taskOption().describe("The task, which asks the questions and writes the answers"),
  format: keyOf(formats).describe("The format of the rows"),
  dir: textOption().describe("The folder to make"),
}));

const speakers: ReadonlyMap<string, string> = new Map([
  ["system", "system"],
  ["user", "human"],
  ["assistant", "gpt"],
]);

/** Makes all rows without their images, so that an invalid row fails before anything is written. */
function exportedRows<A>(samples: readonly SftSample<A>[], format: ExportFormat): readonly Exported[] {
  const { mark } = formats[format];
  const ids = new Set<string>();
  return samples.map(({ example: { id, image, subject = null, metadata }, cot: { reward }, prompt, target }) => {
    const category = typeof metadata?.category === "string" ? metadata.category : null;
    const where = `exportCots: example ${id}`;
    if (ids.has(id)) throw new DataError(`${where}: expected one cot of each example, got two; choose the better one`);
    ids.add(id);
    if (!Number.isFinite(reward))
      throw new DataError(`${where}: expected a number as the reward, got ${shown(reward)}`);
    for (const text of [id, subject ?? "", category ?? ""]) checkText(text, "", where);
    checkText(target, mark, where);
    const turns = { prompt: asked(prompt, mark, where), completion: [{ role: "assistant", content: target }] };
    return { image, where, ...turns, about: { id, subject, category, reward } };
  });
}

/** The turns of a prompt. Its one image must begin the user's first turn, where trainers put it. */
function asked(prompt: Prompt, mark: string, where: string): readonly Turn[] {
  const isFirst = (role: string, i: number) =>
    role === "user" && prompt.findIndex((turn) => turn.role === "user") === i;
  return prompt.map(({ role, content }, i) => {
    const texts = content.flatMap((part) => (part.type === "text" ? part.text : []));
    const images = content.length - texts.length;
    const fits = isFirst(role, i) ? images === 1 && content[0]?.type === "image" : images === 0;
    if (!fits)
      throw new DataError(
        `${where}: expected a prompt that begins with its one image, got ${images} in turn ${i}; change the task's answerPrompt`,
      );
    const text = texts.join("");
    checkText(text, mark, where);
    return { role, content: isFirst(role, i) ? `${mark}${text}` : text };
  });
}

function checkText(text: string, mark: string, where: string): void {
  if (/\p{Cs}/u.test(text))
    throw new DataError(`${where}: expected Unicode text, got half a character in ${shown(text)}; leave it out`);
  const placeholder = mark === "" ? undefined : /<(?:image|video|audio)>/.exec(text)?.[0];
  if (placeholder !== undefined)
    throw new DataError(
      `${where}: expected text without ${placeholder}, which this format puts for one, got ${shown(text)}; leave it out, or choose "trl" or "parquet"`,
    );
}

/** Yields lines of JSON, each after its image has been written. */
async function* lines(rows: readonly Exported[], { row }: Format, folder: string): AsyncGenerator<string> {
  // Several examples may share an image.
  const written = new Map<ImageSource, string>();
  for (const { image, where, prompt, completion, about } of rows) {
    const known = written.get(image);
    const name = known ?? (await writeImage(image, where, folder, written.size));
    written.set(image, name);
    yield `${JSON.stringify({ ...about, ...row(prompt, completion, [name]) })}\n`;
  }
}

async function writeImage(image: ImageSource, where: string, folder: string, number: number): Promise<string> {
  const { bytes, extension } = await imageFile(image, where);
  const name = `images/${String(number).padStart(6, "0")}.${extension}`;
  await writeFile(join(folder, name), bytes);
  return name;
}

async function* embedded(rows: readonly Exported[], { row }: Format): AsyncGenerator<object> {
  for (const [i, { image, where, prompt, completion, about }] of rows.entries()) {
    const { bytes, extension } = await imageFile(image, where);
    yield { ...about, ...row(prompt, completion, [{ bytes, path: `${String(i).padStart(6, "0")}.${extension}` }]) };
  }
}
