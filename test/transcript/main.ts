/**
 * Records what a stranger sees: an empty folder, the packed package, and the way from a folder of images to an annotated folder.
 *
 *   npm run transcript            test/transcript/transcript.txt; 6 minutes on two quiet cores, and npm's registry
 *
 * Model and images are those of `rise-ts demo`: the tiny model needs no download, but knows one question only, in words of its own.
 */
import { spawn } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { moodQuestion } from "../../examples/pictures/questions";
import { pack } from "../package/pack";

/** Columns of the recorded lines; longer ones are broken. */
const width = 110;

const scratch = await mkdtemp(join(tmpdir(), "rise-transcript-"));
const folder = join(scratch, "album");
const cache = join(scratch, "assets");
const lines: string[] = [];

const named = (path: string, texts: object) =>
  Object.fromEntries(Object.entries(texts).map(([name, text]) => [`${path}.${name}`, text]));

const { question, prompts } = moodQuestion;
const asked = { model: "tiny-model", "task.question": question };
const inItsWords = { ...asked, ...named("task.prompts", prompts), "evaluate.maxTokens": 110 };
const short = { "cot.steps": 8, "cot.examplesPerStep": 6, "cot.learningRate": 1.5e-4, "trainer.device": "cpu" };
const stages = {
  "r1.sft.steps": 40,
  "r1.sft.learningRate": 1.5e-4,
  "r1.rft.steps": 4,
  "r1.rft.sampling.maxTokens": 110,
};

function flags(values: Readonly<Record<string, unknown>>): string {
  return Object.entries(values)
    .map(([name, value]) => `--${name} ${typeof value === "string" && /\W/.test(value) ? `'${value}'` : value}`)
    .join(" ");
}

/** The folder of somebody who has 30 images with labels, and six without. */
async function layOut(demo: string): Promise<void> {
  await cp(join(demo, "model"), join(folder, "tiny-model"), { recursive: true });
  const rows = (await readFile(join(demo, "train.jsonl"), "utf8")).trim().split("\n").slice(0, 36);
  const images = rows.map((row, i) => ({ ...JSON.parse(row), name: `IMG_${1000 + i}.png` }));
  for (const [i, { image, name }] of images.entries())
    await cp(join(demo, image), join(folder, i < 30 ? "photos" : "others", name), { recursive: true });
  const { labels } = moodQuestion;
  const cells = images.slice(0, 30).map(({ name, annotation }) => [name, ...labels.map((label) => annotation[label])]);
  await writeFile(
    join(folder, "labels.csv"),
    [["image", ...labels], ...cells].map((row) => `${row.join(",")}\n`).join(""),
  );
}

/** Runs a command line in the folder, and keeps it and what it prints on either stream. */
async function record(command: string): Promise<void> {
  const { npm_config_user_agent: _, ...env } = process.env;
  const empty = { NO_COLOR: "1", HF_ASSETS_CACHE: cache, npm_config_ignore_scripts: "false" };
  const child = spawn("bash", ["-c", `${command} 2>&1`], { cwd: folder, env: { ...env, ...empty } });
  let printed = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    printed += text;
  });
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
  const shown = [
    ...wrapped(`$ ${command}`, " \\"),
    ...printed
      .trimEnd()
      .split("\n")
      .flatMap((line) => wrapped(plain(line))),
  ];
  lines.push(...shown, "");
  console.log(shown.join("\n"));
  if (code !== 0) throw new Error(`expected ${command} to end with 0, got ${code}`);
}

const plain = (line: string) =>
  line
    .replaceAll(folder, "/home/ada/album")
    .replaceAll(cache, "/home/ada/.cache/huggingface/assets")
    .replaceAll(homedir(), "/home/ada");

/** A line in pieces of at most `width` columns, broken at spaces; a command, which has a mark at the end, at its flags. */
function wrapped(line: string, mark = ""): string[] {
  const pieces: string[] = [];
  let rest = line;
  while (rest.length > width) {
    const end = Math.max(rest.lastIndexOf(mark ? " --" : " ", width - mark.length), 1);
    const at = end > 20 ? end : width;
    pieces.push(`${rest.slice(0, at)}${mark}`);
    rest = `    ${rest.slice(at).trimStart()}`;
  }
  return [...pieces, rest];
}

try {
  const tarball = process.argv[2] ?? (await pack(scratch));
  await mkdir(folder);
  await cp(tarball, join(folder, basename(tarball)));
  await record(`npm install ./${basename(tarball)}`);
  await layOut(join(folder, "node_modules/rise-ts/dist/demo"));
  await record("npx rise-ts --version");
  await record("ls photos | wc -l; ls others | wc -l; head -3 labels.csv");
  await record(`npx rise-ts init labels.csv --root photos ${flags({ ...inItsWords, ...short, ...stages })}`);
  await record("npx rise-ts run");
  await record("ls runs runs/cot");
  await record("npx rise-ts annotate others --maxTokens 110");
  await record("head -3 runs/annotations/annotations.csv");
  await record("head -1 runs/annotations/annotations.jsonl");
  await writeFile(fileURLToPath(new URL("transcript.txt", import.meta.url)), `${lines.join("\n")}\n`);
} finally {
  await rm(scratch, { recursive: true });
}
