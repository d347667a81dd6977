import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { selectHighQuality } from "../../src/cots/select";
import { htmlReport } from "../../src/report";
import { createRng } from "../../src/rng";
import { temporaryFolder } from "../datasets/temporary";
import { noBrowser, openBrowser, openedIn } from "./browser";
import { cots, examples, moods, type Row, rollouts, writeRun } from "./rows";

const named = (subject: string) => `${subject}${noBrowser ? ` (${noBrowser})` : ""}`;
const scratch = await temporaryFolder();
const dataset = examples(30);
const ids = dataset.map(({ id }) => id);

let browser: Browser;
beforeAll(async () => {
  if (!noBrowser) browser = await openBrowser();
});
afterAll(() => browser?.close());

const opened = (html: string) => openedIn(browser, html);

/** Asks for something in the form of the list, as typing does. */
const ask = (page: Page, name: string, value: string | boolean) =>
  page.evaluate(
    `{ const input = document.querySelector('#filters [name="${name}"]');
       if (input.type === "checkbox") input.checked = ${value === true}; else input.value = ${JSON.stringify(value)};
       input.dispatchEvent(new Event("input", { bubbles: true })); }`,
  );

/** Texts of the cots in the list, all of them. */
async function listed(page: Page): Promise<readonly string[]> {
  return page.evaluate(`{
    const more = document.querySelector("#more");
    while (!more.hidden) more.click();
    [...document.querySelectorAll("#cards article")].map((card) => card.querySelector(".written").textContent);
  }`);
}

describe.skipIf(noBrowser)(named("the list of all rollouts"), () => {
  const rows = rollouts(2000, ids);
  let html: string;
  let page: Page;
  let said: readonly string[];
  beforeAll(async () => {
    const runDir = await writeRun(join(scratch, "list"), { rollouts: rows });
    html = await htmlReport({ title: "2 000 rollouts", task: moods, dataset, runs: [{ title: "run", runDir }] });
    expect(html.length).toBeLessThan(3_000_000);
    ({ page, said } = await opened(html));
  });
  beforeEach(async () => {
    await page.click("#filters [type=reset]");
    // waitForFunction would need eval, which the page forbids.
    await page.waitForSelector("#found:text-is('2,000 of 2,000 rollouts')");
  });
  afterEach(() => expect(said).toEqual([]));
  const texts = (found: readonly Row[]) => found.map(({ cot }) => cot.text);

  it("reaches every one of 2 000, on a page of at most 3 MB", async () => {
    expect(await listed(page)).toEqual(texts(rows));
  });

  it.each<[string, Record<string, string | boolean>, (row: Row) => boolean]>([
    ["leaked ones", { leaked: true }, ({ reward }) => reward.leaks.length > 0],
    ["unreadable ones", { unreadable: true }, ({ reward }) => !reward.format.ok],
    ["cut-off ones", { clipped: true }, ({ cot }) => cot.finishReason === "length"],
    ["a range of steps", { first: "3", last: "5" }, ({ step }) => step >= 3 && step <= 5],
    [
      "a range of rewards",
      { least: "0.9", most: "0.95" },
      ({ reward }) => reward.reward >= 0.9 && reward.reward <= 0.95,
    ],
    ["a text in any case", { text: "RAIN while" }, ({ cot }) => cot.text.includes("rain while")],
    ["an example by its whole id", { example: "picture-1" }, ({ exampleId }) => exampleId === "picture-1"],
    ["examples by a part of their id", { example: "ture-2" }, ({ exampleId }) => exampleId.includes("ture-2")],
    [
      "all of these together",
      { leaked: true, last: "20", text: "dog" },
      (row) => row.reward.leaks.length > 0 && row.step <= 20 && row.cot.text.includes("dog"),
    ],
  ])("finds %s", async (_, filters, holds) => {
    for (const [name, value] of Object.entries(filters)) await ask(page, name, value);
    const expected = rows.filter(holds);
    expect(expected.length).toBeGreaterThan(0);
    expect(await listed(page)).toEqual(texts(expected));
  });

  it("shows the best, the worst, the leaking and the widest spread first", async () => {
    const rewards = rows.map(({ reward }) => reward.reward);
    const first = async (order: string) => {
      await ask(page, "sort", order);
      return (await page.textContent("#cards article .earned"))!;
    };
    expect(await first("best")).toContain(`reward ${Number(Math.max(...rewards).toFixed(3))}`);
    expect(await first("worst")).toContain("reward 0,");
    const spreads = Array.from({ length: 250 }, (_, group) => {
      const own = rewards.slice(8 * group, 8 * group + 8);
      return Math.max(...own) - Math.min(...own);
    });
    expect(await first("spread")).toContain(`spread of its group ${Number(Math.max(...spreads).toFixed(3))}`);
    await first("leaks");
    expect(await page.locator("#cards article").first().locator("mark").count()).toBe(1);
  });

  it("follows one example through the steps, and shows one group", async () => {
    await page.click("#cards button:text('Only this example')");
    expect(await listed(page)).toEqual(texts(rows.filter(({ exampleId }) => exampleId === "picture-0")));
    await page.click("#cards button:text('Only this group')");
    expect(await listed(page)).toEqual(texts(rows.slice(0, 8)));
  });

  it("keeps what was asked for in the address, for a page that is read again", async () => {
    await ask(page, "leaked", true);
    await ask(page, "sort", "best");
    expect(await page.evaluate("location.hash")).toBe("#?leaked=on&sort=best");
    const again = await browser.newPage();
    const file = join(scratch, "again.html");
    await writeFile(file, html);
    await again.goto(`${pathToFileURL(file)}#?leaked=on&sort=best`);
    expect(await again.textContent("#found")).toBe("200 of 2,000 rollouts");
    expect(await again.inputValue("#filters [name=sort]")).toBe("best");
    await again.close();
  });

  it("holds chosen ones of 20 000, says so, and stays below 5 MB", async () => {
    const many = rollouts(20_000, ids);
    const runDir = await writeRun(join(scratch, "many"), { rollouts: many });
    const big = await htmlReport({ task: moods, dataset, runs: [{ title: "run", runDir }] });
    expect(big.length).toBeLessThan(5_000_000);
    const { page } = await opened(big);
    expect(await page.textContent("section:has(#filters) .note")).toMatch(/The page holds 2,000 of 20,000 rollouts/);
    await ask(page, "sort", "best");
    const best = [...many].sort((a, b) => b.reward.reward - a.reward.reward).slice(0, 24);
    const shown = await page.evaluate<readonly string[]>(
      `[...document.querySelectorAll("#cards article")].map((card) => card.querySelector(".written").textContent)`,
    );
    expect(shown).toEqual(texts(best));
    for (const only of ["leaked", "unreadable", "clipped"]) {
      await ask(page, only, true);
      expect(Number((await page.textContent("#found"))!.split(" ")[0])).toBeGreaterThan(90);
      await ask(page, only, false);
    }
    await page.close();
  });
});

describe.skipIf(noBrowser)(named("the threshold"), () => {
  it("keeps the cots that selectHighQuality keeps, at eleven values", async () => {
    const rng = createRng(3);
    const rewards = ids.map((_, i) => (i < 11 ? i / 10 : rng.uniform()));
    const rows = cots(rewards, ids);
    const runDir = await writeRun(join(scratch, "threshold"), { cots: rows, config: { threshold: 0.6 } });
    const { page, said } = await opened(await htmlReport({ task: moods, dataset, runs: [{ title: "run", runDir }] }));
    expect(await page.inputValue(".threshold [type=number]")).toBe("0.6");
    for (let i = 0; i <= 10; i++) {
      const threshold = i / 10;
      await page.evaluate(`{ const range = document.querySelector(".threshold [type=range]");
        range.value = "${threshold}"; range.dispatchEvent(new Event("input", { bubbles: true }));
        document.querySelector(".cots button").click(); }`);
      const expected = selectHighQuality(rows, { threshold });
      expect(await page.textContent(".cots output b")).toBe(String(expected.length));
      const shown = await page.locator(".cots .cards .id").allTextContents();
      expect(shown).toEqual(expected.map(({ exampleId }) => exampleId));
      // Each column that holds one of them is not dimmed.
      const bright = await page.locator(".histogram rect:not(.out) title").allTextContents();
      const counts = bright.map((title) => Number.parseInt(title, 10));
      expect(counts.reduce((sum, count) => sum + count, 0)).toBeGreaterThanOrEqual(expected.length);
    }
    await page.fill(".threshold [type=number]", "0.123");
    expect(await page.textContent(".cots output b")).toBe(String(rows.filter(({ reward }) => reward >= 0.123).length));
    expect(said).toEqual([]);
    await page.close();
  });
});
