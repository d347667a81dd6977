import { execFile } from "node:child_process";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { beforeAll, expect, it } from "vitest";
import { moods } from "../../examples/pictures/moods";
import { moodQuestion } from "../../examples/pictures/questions";
import { savePicture } from "../../examples/pictures/save";
import { temporaryFolder } from "../datasets/temporary";
import { codeBlocks } from "./blocks";
import { root } from "./exports";

/** The folder of a reader who has 12 labelled images, and two others. */
const folder = await temporaryFolder();

beforeAll(async () => {
  const { train, test, unseen } = await moods({ seed: 0, train: 8, test: 4, unseen: 2 });
  for (const name of ["images", "photos"]) await mkdir(join(folder, name));
  for (const { id, image } of unseen) await savePicture(image, join(folder, "photos", `${id}.png`));
  for (const [name, examples] of Object.entries({ train, test })) {
    const rows = examples.map(async ({ id, image, annotation }) => {
      await savePicture(image, join(folder, "images", `${id}.png`));
      return JSON.stringify({ id, image: `images/${id}.png`, annotation });
    });
    await writeFile(join(folder, `${name}.jsonl`), (await Promise.all(rows)).join("\n"));
  }
});

/** The program with the tiny model, the question that it knows, and few steps. Nothing else is changed. */
function small(program: string): string {
  const changes: readonly (readonly [RegExp, string])[] = [
    [/(?<=classification\()\{ labels: .* \}(?=\);)/, JSON.stringify(moodQuestion)],
    [/"Qwen\/Qwen2-VL-2B-Instruct"/, JSON.stringify(join(root, "examples/tiny-vlm/checkpoint"))],
    [/(?=runDir: "runs\/cot")/, "steps: 2, "],
    [/(?=runDir: "runs\/r1")/, "sft: { steps: 2 }, rft: { steps: 2 }, "],
  ];
  return changes.reduce((text, [from, to]) => {
    expect(text.match(new RegExp(from, "g")), `${from}`).toHaveLength(1);
    return text.replace(from, () => to);
  }, program);
}

it("README's program ends, and writes the runs and the annotations that README names", async () => {
  const readme = await readFile(join(root, "README.md"), "utf8");
  const program = codeBlocks(readme).find((block) => block.includes("annotateDataset({"))!;
  await writeFile(join(folder, "program.mts"), small(program));
  const command = ["--import", import.meta.resolve("tsx"), "program.mts"];
  const env = { ...process.env, TSX_TSCONFIG_PATH: join(root, "tsconfig.json") };
  const { stdout } = await promisify(execFile)(process.execPath, command, { cwd: folder, env });
  const jsd = Number(stdout);
  expect(jsd).toBeGreaterThan(0);
  expect(jsd).toBeLessThan(1);
  expect(await readdir(join(folder, "runs"))).toEqual(["cot", "photos", "r1"]);
  const rows = (await readFile(join(folder, "runs/photos/annotations.jsonl"), "utf8")).trim().split("\n");
  expect(rows.map((row) => JSON.parse(row))).toMatchObject(Array(2).fill({ think: expect.any(String) }));
  for (const name of ["annotations.csv", "annotations.html"])
    expect(await readFile(join(folder, "runs/photos", name), "utf8"), name).not.toBe("");
});
