import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Browser } from "playwright-core";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { detectionDemo, moodsDemo } from "../../examples/demo/tasks";
import { onnxBackend } from "../../src/backends/onnx";
import { parseThinkAnswer } from "../../src/checks/think-answer";
import { exportTransformersJs } from "../../src/export";
import type { Completion, Example, RawImage } from "../../src/types";
import { openPage } from "../browser/page";
import { noBrowser, openBrowser } from "../report/browser";

const model = fileURLToPath(new URL("../../examples/tiny-vlm/checkpoint", import.meta.url));

describe("the prompts of the page", () => {
  it("are those of the demo's tasks", async () => {
    const { prompts } = await import("../../examples/browser/prompts.js" as string);
    for (const { name, task } of [moodsDemo, detectionDemo]) {
      const example = { id: "", image: new Uint8Array(), annotation: {} as never, subject: "deep orange edible root" };
      expect(prompts[name]).toBe(textOf(task as never, example));
    }
  });
});

describe.skipIf(noBrowser)(`the annotator in a browser${noBrowser ? ` (${noBrowser})` : ""}`, () => {
  let browser: Browser;
  let folder: string;
  beforeAll(async () => {
    browser = await openBrowser();
    folder = await mkdtemp(join(tmpdir(), "rise-browser-"));
    await exportTransformersJs(model, join(folder, "model"), { precision: "float32" });
  });
  afterAll(async () => {
    await browser?.close();
    await rm(folder, { recursive: true });
  });

  it("writes onnxBackend's tokens, and asks nobody else, when its page is isolated from other origins", async () => {
    const { test } = await moodsDemo.data({ seed: 3, train: 0, test: 2, unseen: 0 });
    const expected = await greedy(test);
    const { annotate, close, foreign, complaints, page } = await openPage(browser, join(folder, "model"), true);
    try {
      expect(await page.evaluate("crossOriginIsolated")).toBe(true);
      for (const [i, example] of test.entries()) {
        const { tokens, text } = await annotate(await png(example), textOf(moodsDemo.task, example));
        expect([tokens, text]).toEqual([expected[i]!.tokenIds, expected[i]!.text]);
      }
      expect(foreign).toEqual([]);
      expect(complaints).toEqual([]);
    } finally {
      await close();
    }
  });

  it("draws reasons, and bars or boxes, and no markup, when its page is not isolated", async () => {
    const { test } = await moodsDemo.data({ seed: 4, train: 0, test: 1, unseen: 0 });
    const [expected] = await greedy(test);
    const { page, close, foreign, complaints } = await openPage(browser, join(folder, "model"), false);
    const texts = (selector: string) => page.locator(selector).allTextContents();
    try {
      const buffer = await png(test[0]!);
      await page.locator("#file").setInputFiles({ name: "mood.png", mimeType: "image/png", buffer });
      await page.locator("#run").click();
      await page.locator("#status", { hasText: "Done in" }).waitFor({ timeout: 240_000 });
      const { think, answer } = parseThinkAnswer(expected!.text)!;
      expect([await texts("#reasons"), await texts("#answer")]).toEqual([[think], [answer]]);
      expect(await texts("#bars dt")).toEqual(["negative", "neutral", "positive"]);

      const written = "<think><img src=x></think><answer>[[1, 2, 30, 4], [5, 6, 70.5, 8]]";
      await page.evaluate(`import("./answer.js").then(({ drawAnswer }) => drawAnswer(${JSON.stringify(written)}))`);
      const widths = await page.locator("rect").evaluateAll((rects) => rects.map((rect) => rect.getAttribute("width")));
      expect([widths, await texts("#bars dt"), await page.locator("main img").count()]).toEqual([
        ["30", "70.5"],
        [],
        1,
      ]);
      expect([foreign, complaints, await page.evaluate("crossOriginIsolated")]).toEqual([[], [], false]);
      await page.screenshot({ path: process.env.RISE_SCREENSHOT ?? join(folder, "page.png"), fullPage: true });
    } finally {
      await close();
    }
  });
});

const textOf = <A>(task: { answerPrompt(example: Example<A>): Parameters<typeof lastText>[0] }, example: Example<A>) =>
  lastText(task.answerPrompt(example));

const lastText = (
  prompt: readonly { readonly content: readonly { readonly type: string; readonly text?: string }[] }[],
) => prompt[0]!.content.find(({ type }) => type === "text")!.text!;

async function png({ image }: Example<unknown>): Promise<Buffer> {
  const { data, width, height } = image as RawImage;
  return sharp(data, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
}

async function greedy<A>(examples: readonly Example<A>[]): Promise<readonly Completion[]> {
  const backend = await onnxBackend({ model, device: "cpu" });
  try {
    const prompts = examples.map((example) => moodsDemo.task.answerPrompt(example as never));
    const options = { temperature: 0, maxTokens: 256, seed: 0 };
    return (await backend.generate(prompts, options)).map(([completion]) => completion!);
  } finally {
    await backend.dispose();
  }
}
