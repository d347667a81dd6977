/**
 * Holds exported models to `onnxBackend`, token by token, on more images than `npm test` has time for: in transformers.js as it is, in our
 * backend on it, and in Chromium.
 *
 *   npm run test:browser            (10 minutes; Chromium is asked for only where there is one)
 *   npm run test:browser -- 10      (10 images instead of 50)
 *   npm run test:browser -- 10 webgpu      (and Chromium on WebGPU, in software: 5 minutes more)
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { AutoModelForImageTextToText, AutoProcessor, RawImage as Picture } from "@huggingface/transformers";
import sharp from "sharp";
import { moodsDemo } from "../../examples/demo/tasks";
import { onnxBackend } from "../../src/backends/onnx";
import { transformersJsBackend } from "../../src/backends/transformers-js";
import { mergeAdapter } from "../../src/engine/checkpoint/merge";
import { exportTransformersJs } from "../../src/export";
import { openModel } from "../../src/models/open-model";
import type { Completion, Prompt, RawImage } from "../../src/types";
import { largestError } from "../models/reference";
import { gpuFlags, noBrowser, openBrowser } from "../report/browser";
import { openPage } from "./page";

const [count = "50", ...legs] = process.argv.slice(2);
const images = Number(count);
/** Models with random weights never end by themselves. */
const maxTokensOf = (model: string) => (model === tiny ? 256 : 24);
const question = moodsDemo.task
  .answerPrompt({ id: "", image: new Uint8Array(), annotation: {} })[0]!
  .content.find(({ type }) => type === "text") as { readonly type: "text"; readonly text: string };
const data = fileURLToPath(new URL("../reference/data", import.meta.url));
const tiny = fileURLToPath(new URL("../../examples/tiny-vlm/checkpoint", import.meta.url));
const scratch = await mkdtemp(join(tmpdir(), "rise-test-browser-"));
let failures = 0;

const report = (what: string, found: string, isRight: boolean) => {
  if (!isRight) failures++;
  console.log(`${isRight ? "ok  " : "FAIL"}  ${what.padEnd(72)}${found}`);
};

/** Pictures of the demo, in the size that the model asks for, so that nobody has to resize them. */
async function pictures(model: string, count: number): Promise<RawImage[]> {
  const { resizedSize } = await openModel(model);
  const { test } = await moodsDemo.data({ seed: 11, train: 0, test: count, unseen: 0 });
  return Promise.all(
    test.map(async ({ image }, i) => {
      const { data, width, height } = image as RawImage;
      const asked = await resizedSize({
        width: width - (i % 3) * 28,
        height,
        data: data.slice(0, (width - (i % 3) * 28) * height * 3),
      });
      const resized = sharp(data, { raw: { width, height, channels: 3 } }).resize({ ...asked, fit: "fill" });
      return { ...asked, data: new Uint8Array(await resized.raw().toBuffer()) };
    }),
  );
}

const asking = (...shown: readonly RawImage[]): Prompt => [
  { role: "user", content: [...shown.map((image) => ({ type: "image" as const, image })), question] },
];

async function greedy(
  open: Promise<Awaited<ReturnType<typeof onnxBackend>>>,
  prompts: readonly Prompt[],
  maxTokens: number,
) {
  const backend = await open;
  const groups = await backend.generate(prompts, { temperature: 0, maxTokens, seed: 0 });
  await backend.dispose();
  return groups.map(([completion]) => completion!);
}

/** transformers.js alone: its processor, its `generate`. */
async function alone(dir: string, shown: readonly RawImage[], maxTokens: number): Promise<number[][]> {
  const options = { local_files_only: true };
  const processor = await AutoProcessor.from_pretrained(dir, options);
  const model = await AutoModelForImageTextToText.from_pretrained(dir, { ...options, device: "cpu" });
  const chat = [{ role: "user", content: [{ type: "image" }, question] }];
  const text = processor.apply_chat_template(chat as never, { add_generation_prompt: true });
  const rows: number[][] = [];
  for (const { data, width, height } of shown) {
    const inputs = await processor(text, [new Picture(data, width, height, 3)]);
    const ids = (await model.generate({ ...inputs, max_new_tokens: maxTokens })) as { tolist(): bigint[][] };
    rows.push(ids.tolist()[0]!.slice(inputs.input_ids.dims[1]).map(Number));
  }
  await model.dispose();
  return rows;
}

const equalTokens = (found: readonly (readonly number[])[], expected: readonly Completion[]) =>
  expected.filter(({ tokenIds }, i) => JSON.stringify(tokenIds) === JSON.stringify(found[i])).length;

async function compareInNode(name: string, model: string, count: number): Promise<void> {
  const dir = join(scratch, name.replaceAll(/\W/g, "-"));
  await exportTransformersJs(model, dir, { precision: "float32", maxPixels: 2 ** 30 });
  const shown = await pictures(model, count);
  const most = maxTokensOf(model);
  const one = shown.map((image) => asking(image));
  const expected = await greedy(onnxBackend({ model, device: "cpu" }), one, most);
  const equal = equalTokens(await alone(dir, shown, most), expected);
  report(`${name}: transformers.js alone, one image`, `${equal} of ${count} equal`, equal === count);

  const many = [
    ...one,
    ...shown.slice(1).map((image, i) => asking(shown[i]!, image)),
    asking(),
    asking(...shown.slice(0, 3)),
  ];
  const all = await greedy(onnxBackend({ model, device: "cpu" }), many, most);
  const found = await greedy(transformersJsBackend({ model: dir, device: "cpu" }), many, most);
  const same = equalTokens(
    found.map(({ tokenIds }) => tokenIds!),
    all,
  );
  const gap = Math.max(...all.map(({ logProbs }, i) => largestError(found[i]!.logProbs!, logProbs!)));
  const words = `${same} of ${many.length} equal, log-probs within ${gap.toExponential(1)}`;
  report(`${name}: transformersJsBackend, 0, 1, 2 and 3 images`, words, same === many.length && gap <= 1e-4);
}

/** Exports in another process, which is killed after a while. */
async function killExport(afterMs: number): Promise<"whole" | "none" | "half"> {
  const dir = join(scratch, "killed");
  const script = `import("./src/export/index.ts").then(async ({ exportTransformersJs }) => {
    console.log("begins");
    await exportTransformersJs(${JSON.stringify(tiny)}, ${JSON.stringify(dir)});
  })`;
  const child = spawn(process.execPath, ["--import", "tsx", "-e", script], { stdio: ["ignore", "pipe", "inherit"] });
  await new Promise((begins) => child.stdout.once("data", begins));
  const ended = new Promise((done) => child.once("exit", done));
  setTimeout(() => child.kill("SIGKILL"), afterMs);
  await ended;
  const state = !existsSync(dir)
    ? "none"
    : existsSync(join(dir, "onnx/decoder_model_merged_quantized.onnx"))
      ? "whole"
      : "half";
  await rm(dir, { recursive: true, force: true });
  return state;
}

async function compareInChromium(isolated: boolean, device: "wasm" | "webgpu" = "wasm"): Promise<void> {
  const count = Math.min(images, 10);
  const shown = await pictures(tiny, count);
  const expected = await greedy(
    onnxBackend({ model: tiny, device: "cpu" }),
    shown.map((image) => asking(image)),
    maxTokensOf(tiny),
  );
  const browser = await openBrowser(device === "webgpu" ? gpuFlags : undefined);
  const open = await openPage(browser, join(scratch, "tiny-vlm"), isolated, device);
  const where = `Chromium, ${device}, ${isolated ? "with" : "without"} COOP and COEP`;
  const state = await open.page.locator("#status").textContent();
  if (device === "webgpu" && !state?.includes("GPU")) {
    console.log(`skip  ${where}: no adapter, even with ${gpuFlags.join(" ")}`);
    await open.close();
    return browser.close();
  }
  const rows: (readonly number[])[] = [];
  for (const { data, width, height } of shown) {
    const png = await sharp(data, { raw: { width, height, channels: 3 } })
      .png()
      .toBuffer();
    rows.push((await open.annotate(png, question.text)).tokens);
  }
  await open.close();
  await browser.close();
  const equal = equalTokens(rows, expected);
  const words = `${equal} of ${count} equal, ${open.foreign.length} requests elsewhere, ${open.complaints.length} errors`;
  const isRight = equal === count && open.foreign.length === 0 && open.complaints.length === 0;
  report(`tiny-vlm: ${where}`, words, isRight);
}

try {
  const untied = join(data, "shapes/untied");
  const merged = join(scratch, "merged");
  await mergeAdapter(join(untied, "adapter"), merged, { model: join(untied, "checkpoint") });
  await compareInNode("tiny-vlm", tiny, images);
  await compareInNode("qwen2-vl-tiny", join(data, "qwen2-vl-tiny/checkpoint"), images);
  await compareInNode("shapes/untied", join(untied, "checkpoint"), images);
  for (const [name, model] of [
    ["shapes/untied with a merged LoRA", merged],
    ["qwen2-5-vl", join(data, "families/qwen2-5-vl/untied/checkpoint")],
    ["qwen3-vl", join(data, "families/qwen3-vl/tied/checkpoint")],
  ] as const)
    await compareInNode(name, model, Math.min(images, 10));
  const states: string[] = [];
  for (const afterMs of [0, 50, 150, 300, 500, 800, 1500, 4000]) states.push(await killExport(afterMs));
  report("killed exports", states.join(", "), !states.includes("half"));
  if (noBrowser) console.log(`skip  Chromium: ${noBrowser}`);
  else for (const isolated of [true, false]) await compareInChromium(isolated);
  if (!noBrowser && legs.includes("webgpu")) await compareInChromium(true, "webgpu");
} finally {
  await rm(scratch, { recursive: true, force: true });
}
process.exitCode = failures > 0 ? 1 : 0;
