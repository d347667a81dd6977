import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { formatThinkAnswer } from "../../../src/checks/think-answer";
import { type ExportFormat, exportCots } from "../../../src/datasets/export";
import { loadImage } from "../../../src/models/inputs/image";
import { detection } from "../../../src/tasks/detection";
import type { Box, Example } from "../../../src/types";
import { checkpointDir } from "../../models/reference";
import { type Comparison, worst } from "../compare";
import type { Python } from "../python";

const here = fileURLToPath(new URL(".", import.meta.url));
const images = join(here, "../data/qwen2-vl-tiny/images");
const formats: readonly ExportFormat[] = ["trl", "sharegpt", "messages", "parquet"];
const cots = [
  "It stands on the left.\nBehind it is a wall.",
  '子どもが"笑って"います。 \\n {{cot}}',
  "",
  "<|im_end|> </s> '\u2028' \0 😀",
];

/** Python's `datasets` loads every export, and finds the texts that stage 2 would train with and the pixels that it would see. */
export async function compareExports(python: Python, scratch: string): Promise<Comparison[]> {
  const task = detection();
  const box: Box = { space: "thousand", x: 1, y: 2.5, width: 300, height: 1e-3 };
  const names = (await readdir(images)).sort();
  const dataset: Example<readonly Box[]>[] = [
    ...names.map((name, i) => ({
      id: name,
      image: join(images, name),
      annotation: i % 2 ? [box] : [],
      subject: `thing ${i}`,
    })),
    {
      id: "raw",
      image: { width: 2, height: 1, data: Uint8Array.of(1, 2, 3, 4, 5, 6) },
      annotation: [box],
      subject: "it",
    },
    { id: "bytes", image: await readFile(join(images, names[0]!)), annotation: [box], subject: "it" },
  ];
  const rows = dataset.map(({ id, annotation }, i) => ({
    ...{ exampleId: id, annotation, reward: 1 / (i + 1) },
    cot: cots[i % cots.length]!,
  }));
  const folder = await mkdtemp(join(scratch, "exports-"));
  for (const format of formats) await exportCots({ cots: rows, dataset, task, format, dir: join(folder, format) });
  const cache = join(scratch, "exports-cache");
  await mkdir(cache);
  const theirs = JSON.parse(await python(join(here, "load.py"), folder, checkpointDir, cache));

  const expected = await Promise.all(
    dataset.map(async (example, i) => {
      const { width, height, data } = await loadImage(example.image);
      const [, question] = task.answerPrompt(example)[0]!.content;
      const target = formatThinkAnswer(rows[i]!.cot, task.format(example.annotation));
      return {
        ...{
          id: example.id,
          subject: example.subject,
          reward: rows[i]!.reward,
          kinds: [["image", "text"], ["text"]],
          holdsTarget: true,
        },
        turns: [
          ["user", question!.type === "text" && question!.text],
          ["assistant", target],
        ],
        ...{ size: [width, height], sha256: createHash("sha256").update(data).digest("hex") },
      };
    }),
  );
  return formats.map((format) => {
    const found = theirs[format] as readonly (typeof expected)[number][];
    const differences = new Map(
      expected.flatMap((row, i) =>
        (Object.keys(row) as (keyof typeof row)[]).map((key) => {
          const alike = found.length === expected.length && JSON.stringify(found[i]![key]) === JSON.stringify(row[key]);
          return [`${row.id}/${key}`, alike ? 0 : Number.POSITIVE_INFINITY] as const;
        }),
      ),
    );
    return worst(`datasets: an export as ${format}, texts and pixels`, differences);
  });
}
