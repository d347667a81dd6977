import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { htmlReport } from "../../src/report";
import { detection } from "../../src/tasks/detection";
import { temporaryFolder } from "../datasets/temporary";
import { noBrowser, openBrowser, openedIn } from "./browser";
import { cots, examples, moods, rollouts, writeRun } from "./rows";

const named = (subject: string) => `${subject}${noBrowser ? ` (${noBrowser})` : ""}`;
const scratch = await temporaryFolder();
const dataset = examples(12);
const ids = dataset.map(({ id }) => id);
const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

let browser: Browser;
beforeAll(async () => {
  if (!noBrowser) browser = await openBrowser();
});
afterAll(() => browser?.close());

const opened = (html: string, options?: BrowserContextOptions) => openedIn(browser, html, options);

/** Two runs with cots, and records: every section of a page. */
async function wholePage(): Promise<string> {
  const rows = rollouts(160, ids);
  const rewards = ids.map((_, i) => i / 12);
  const config = { groupSize: 8, seed: 3, policy: { name: "tiny", sha256: "a".repeat(64) } };
  const runs = ["first", "second"].map(async (name, i) => ({
    title: name,
    runDir: await writeRun(join(scratch, `whole-${name}`), {
      rollouts: rows.map((row) => ({ ...row, reward: { ...row.reward, similarity: row.reward.reward ** (i + 1) } })),
      cots: cots(rewards, ids),
      config,
    }),
  }));
  const records = ids.map((exampleId) => ({
    ...{ exampleId, text: "x", think: "It is quiet.", prediction: { calm: 0.56, wild: 0.56 }, failure: "a fault" },
  }));
  const tables = [{ title: "Scores", header: ["", "JSD"], rows: [["RISE", "0.1"]] }];
  return htmlReport({ title: "Everything", task: moods, dataset, runs: await Promise.all(runs), records, tables });
}
const whole = noBrowser ? "" : await wholePage();

const violations = async (page: Page) => {
  await page.evaluate(axe);
  const found = await page.evaluate<readonly { id: string; nodes: readonly { html: string }[] }[]>(
    "axe.run(document).then(({ violations }) => violations)",
  );
  return found.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 200)).join(" | ")}`);
};

describe.skipIf(noBrowser)(named("a report"), () => {
  it.each(["light", "dark"] as const)("has no fault that axe-core finds, in %s", async (scheme) => {
    const { page, said } = await opened(whole, { colorScheme: scheme });
    await page.evaluate("for (const fold of document.querySelectorAll('details')) fold.open = true");
    expect(await violations(page)).toEqual([]);
    await page.locator("#cards svg.picture").first().press("Enter");
    expect(await violations(page)).toEqual([]);
    expect(said).toEqual([]);
    await page.close();
  });

  it("can be used with the keyboard alone", async () => {
    const { page } = await opened(whole);
    const slider = page.locator(".threshold [type=range]").first();
    await slider.focus();
    await page.keyboard.press("Home");
    expect(await page.textContent(".cots output b")).toBe("12");
    await page.keyboard.press("End");
    expect(await page.textContent(".cots output b")).toBe("0");
    await page.locator(".plot").first().focus();
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("ArrowRight");
    expect(await page.textContent(".plot output")).toBe("step 3: first 0.6, second 0.6");
    await page.locator("#cards svg.picture").first().focus();
    await page.keyboard.press("Enter");
    expect(await page.locator("dialog svg.picture").isVisible()).toBe(true);
    await page.keyboard.press("Escape");
    expect(await page.locator("dialog svg.picture").isVisible()).toBe(false);
    await page.locator("#filters [name=text]").focus();
    await page.keyboard.type("no such text");
    expect(await page.textContent("#found")).toMatch(/^0 of/);
    await page.close();
  });

  it("keeps its threshold while the field is empty, and tells it unrounded", async () => {
    const { page } = await opened(whole);
    const output = () => page.textContent(".cots output");
    await page.fill(".threshold [type=number]", "0.5001234");
    expect(await output()).toBe("A reward of at least 0.5001234: 5 of 12 cots");
    await page.fill(".threshold [type=number]", "");
    expect(await output()).toBe("A reward of at least 0.5001234: 5 of 12 cots");
    await page.close();
  });

  it("writes at the histogram's ends in a size that can be read on a phone", async () => {
    const { page } = await opened(whole, { viewport: { width: 400, height: 800 } });
    const heights = await page.evaluate<readonly number[]>(
      `[...document.querySelectorAll(".histogram text, .ends span")].map((text) => text.getBoundingClientRect().height)`,
    );
    expect(heights.length).toBeGreaterThan(0);
    for (const height of heights) expect(height).toBeGreaterThan(10);
    await page.close();
  });

  it("explains the lines and colours that a section shows, and no others", async () => {
    const task = detection({ target: "dog" });
    const box = { space: "thousand", x: 250, y: 250, width: 500, height: 500 } as const;
    const dog = { id: "a", image: await readFile(join("docs", "images", "report-threshold.webp")), annotation: [box] };
    const record = (prediction: unknown, exampleId = "a") => ({ exampleId, text: "", think: "", prediction });
    const words = async (html: string) => {
      const { page } = await opened(html);
      const shown = await page.evaluate<string>('document.querySelector("section:not([hidden]) .legend").innerText');
      await page.close();
      return shown.replace(/\s+/g, " ").trim();
    };
    const boxes = { task, runs: [], records: [record([box]) as never] };
    expect(await words(await htmlReport({ ...boxes, dataset: [dog] }))).toBe(
      "truth, solid prediction, dashed, with its IoU",
    );
    const records = [record({ calm: 0.4, wild: 0.6 }, ids[0]) as never];
    expect(await words(await htmlReport({ task: moods, runs: [], records, dataset }))).toBe("truth prediction");
  });

  it("tells the values of a plot under the pointer", async () => {
    const { page } = await opened(whole);
    const plot = page.locator(".plot svg[aria-label='reward']").last();
    const box = (await plot.boundingBox())!;
    await plot.scrollIntoViewIfNeeded();
    await plot.hover({ position: { x: box.width - 10, y: box.height / 2 } });
    expect(await page.locator(".plot:has(svg[aria-label='reward']) output").last().textContent()).toBe("step 5: 0.7");
    await page.close();
  });

  it("compares two runs over the same axes, and example by example", async () => {
    const { page } = await opened(whole);
    const section = page.locator("section:has(h2:text-is('Comparison'))");
    expect(await section.locator("svg[aria-label='reward'] .series").count()).toBe(2);
    const similarity = await section.locator("tr:has(td:text-is('similarity')) td").allTextContents();
    const [, second, first, difference, interval] = similarity;
    expect(Number(difference)).toBeCloseTo(Number(second) - Number(first), 2);
    expect(interval).toMatch(/^-0\.\d+ … -0\.\d+$/);
    expect(await section.locator("details tbody tr").count()).toBe(12);
    await page.close();
  });

  it("prints marks, bars and whole curves, in light colours", async () => {
    const { page } = await opened(whole, { colorScheme: "dark" });
    await page.emulateMedia({ media: "print", colorScheme: "dark" });
    const style = (selector: string, property: string) =>
      page.evaluate<readonly string[]>(
        `[...new Set([...document.querySelectorAll("${selector}")].map((each) => getComputedStyle(each)["${property}"]))]`,
      );
    for (const part of ["mark", ".bar", ".bars", ".histogram"])
      expect(await style(part, "printColorAdjust")).toEqual(["exact"]);
    expect(await style("mark", "textDecorationLine")).toEqual(["underline"]);
    for (const part of [".plot", "article"]) expect(await style(part, "breakInside")).toEqual(["avoid"]);
    expect(await style("form", "display")).toEqual(["none"]);
    expect(await style("body", "color")).toEqual(["rgb(28, 33, 38)"]);
    await page.close();
  });

  it("reads without scripts as it did: no form, no empty list, every section", async () => {
    const { page } = await opened(whole, { javaScriptEnabled: false });
    const visible = (selector: string) => page.locator(selector).first().isVisible();
    expect(await visible("h2:text-is('All rollouts')")).toBe(false);
    expect(await visible(".threshold")).toBe(false);
    for (const text of ["Comparison", "Cots of first", "Held-out images", "first", "Scores"])
      expect(await visible(`h2:text-is('${text}')`)).toBe(true);
    expect(await page.locator(".cots .cards article").count()).toBe(6);
    expect(await page.locator("nav li:visible").count()).toBe(7);
    await page.close();
  });

  it("says what was run, what it took, and shows the prompt", async () => {
    const { page } = await opened(whole);
    const facts = await page.locator("dl").first().textContent();
    for (const fact of ["groupSize8", "seed3", "policy.nametiny", "policy.sha256aaaaaaaaaaaa", "peak memory1.50 GB"])
      expect(facts).toContain(fact);
    expect(facts).toContain("5 in 10 s, 2 s each");
    expect(facts).toContain("5,000, 500 a second");
    expect(await page.locator(".settings .written").first().textContent()).toBe("<image>\nWhich mood?");
    await page.close();
  });

  it("says of predicted shares that they do not sum to 1", async () => {
    const { page } = await opened(whole);
    expect(await page.locator("text=The predicted shares sum to 1.12.").count()).toBe(12);
    await page.close();
  });
});

/** Everything that text can try. */
const tricks = [
  "</script><script>window.hit = 1</script>",
  '<img src=x onerror="window.hit = 1">',
  "<svg onload=window.hit=1>",
  "'\"><iframe srcdoc='<script>top.hit = 1</script>'>",
  "</style><style>body { display: none }</style>",
  "]]><!--<script>window.hit = 1</script>-->",
  "\u202Eevil\u0000\uD800\u2028",
  `e${"\u0301".repeat(3000)}`,
  "javascript:window.hit=1",
  "$" + "{window.hit = 1}{{window.hit = 1}}",
].join(" ");
const word = "w".repeat(1_000_000);

describe.skipIf(noBrowser)(named("hostile text"), () => {
  const evil = `${tricks} ${word}`;
  const hostile = async () => {
    const rows = rollouts(8, [evil]).map((row, i) => ({
      ...row,
      stage: evil,
      prompt: evil,
      cot: { ...row.cot, text: evil },
      reconstruction: { text: evil, finishReason: "stop" },
      prediction: i % 2 ? { [evil]: 1 } : null,
      reward: { ...row.reward, leaks: [{ kind: tricks, text: "<", start: 0, end: 20 }], repairs: [evil] },
    }));
    const metrics = [{ stage: evil, step: 1, reward: 0.5 }];
    const all = { rollouts: rows, metrics, cots: cots([1], [evil]).map((row) => ({ ...row, cot: evil })) };
    const runDir = await writeRun(join(scratch, "hostile"), { ...all, config: { [evil]: evil } });
    const image = dataset[0]!.image;
    return htmlReport({
      title: evil,
      task: { ...moods, format: () => evil },
      dataset: [{ id: evil, image, annotation: { calm: 1, wild: 0 }, subject: evil }],
      runs: [
        { title: evil, runDir },
        { title: `${evil}2`, runDir },
      ],
      tables: [{ title: evil, header: [evil, evil], rows: [[evil, evil]] }],
      records: [{ exampleId: evil, text: evil, think: evil, prediction: null, failure: evil }],
    });
  };

  it("runs nothing, and makes the page neither large nor wide", async () => {
    const html = await hostile();
    expect(html.length).toBeLessThan(1.5 * whole.length);
    for (const width of [1400, 768, 420]) {
      const { page, said } = await opened(html, { viewport: { width, height: 900 } });
      await page.evaluate("for (const fold of document.querySelectorAll('details')) fold.open = true");
      const [hit, wide, scripts, frames] = await page.evaluate<readonly unknown[]>(
        "[window.hit, document.documentElement.scrollWidth, document.scripts.length, frames.length]",
      );
      expect([hit, scripts, frames]).toEqual([undefined, 2, 0]);
      const beyond = await page.evaluate(`[...document.querySelectorAll("main *, header *")]
        .filter((each) => each.getBoundingClientRect().right > ${width} && !each.closest(".wide > *, svg"))
        .map((each) => each.outerHTML.slice(0, 80))`);
      expect([wide, beyond]).toEqual([width, []]);
      expect(await page.locator("#cards article").count()).toBeGreaterThan(0);
      expect(said).toEqual([]);
      await page.close();
    }
  });

  it("is blocked even where it gets into the page", async () => {
    const planted = '<script>window.hit = 1</script><img src="https://example.org/x.png" onerror="window.hit = 1">';
    const page = await browser.newPage();
    const [said, answered]: [string[], string[]] = [[], []];
    page.on("console", (message) => said.push(message.text()));
    page.on("response", (response) => answered.push(response.url()));
    await page.setContent(whole.replace("</main>", `${planted}</main>`));
    await page.waitForTimeout(100);
    expect(await page.evaluate("window.hit")).toBeUndefined();
    expect(answered.filter((url) => url.startsWith("http"))).toEqual([]);
    expect(said.some((text) => text.includes("Content Security Policy"))).toBe(true);
    // The page's own script still works.
    expect(await page.textContent("#found")).toBe("332 of 332 rollouts");
    await page.close();
  });
});

describe.skipIf(noBrowser)(named("an enlarged image"), () => {
  it("has its boxes where they are annotated, with their IoU", async () => {
    const task = detection({ target: "dog" });
    const path = join(scratch, "dog.png");
    await sharp({ create: { width: 640, height: 426, channels: 3, background: "#888" } }).toFile(path);
    const box = (x: number) => ({ space: "thousand", x, y: 250, width: 500, height: 500 }) as const;
    const records = [{ exampleId: "a", text: "", think: "there", prediction: [box(350)] }];
    const html = await htmlReport({
      ...{ task, runs: [], records },
      dataset: [{ id: "a", image: path, annotation: [box(250)], subject: "dog" }],
    });
    const { page } = await opened(html);
    await page.locator("main svg.picture").click();
    const [image, truth, prediction] = await page.evaluate<readonly DOMRectLike[]>(
      `["use", ".truth", ".prediction"].map((part) => {
        const shape = document.querySelector("dialog svg.picture " + part);
        if (part === "use") return shape.getBoundingClientRect().toJSON();
        const { x, y, width, height } = shape.getBBox();
        const at = new DOMPoint(x, y).matrixTransform(shape.getScreenCTM());
        const to = new DOMPoint(x + width, y + height).matrixTransform(shape.getScreenCTM());
        return { x: at.x, y: at.y, width: to.x - at.x, height: to.y - at.y };
      })`,
    );
    expect(image!.width).toBeGreaterThan(700);
    for (const [shape, x] of [
      [truth, 0.25],
      [prediction, 0.35],
    ] as const) {
      expect(Math.abs(shape!.x - image!.x - x * image!.width)).toBeLessThanOrEqual(0.5);
      expect(Math.abs(shape!.width - 0.5 * image!.width)).toBeLessThanOrEqual(0.5);
    }
    // 0.4 × 0.5 of 0.5 × 0.5 + 0.1 × 0.5
    expect(await page.locator("dialog svg.picture text").textContent()).toBe("0.67");
    await page.close();
  });
});

interface DOMRectLike {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}
