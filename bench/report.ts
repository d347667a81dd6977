/**
 * The size of a report, the time until its list is there, and the time that a filter takes, in headless Chromium.
 *
 *   npx tsx bench/report.ts
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { htmlReport } from "rise-ts/report";
import { openBrowser } from "../test/report/browser";
import { examples, moods, rollouts, writeRun } from "../test/report/rows";

const folder = await mkdtemp(join(tmpdir(), "report-"));
const dataset = examples(300);
const ids = dataset.map(({ id }) => id);
const browser = await openBrowser();
for (const count of [2000, 20_000]) {
  const runDir = await writeRun(join(folder, String(count)), { rollouts: rollouts(count, ids) });
  const started = performance.now();
  const html = await htmlReport({ task: moods, dataset, runs: [{ title: "run", runDir }] });
  const made = performance.now() - started;
  const file = join(folder, `${count}.html`);
  await writeFile(file, html);
  const page = await browser.newPage();
  const opened = performance.now();
  await page.goto(pathToFileURL(file).href);
  await page.waitForSelector("#cards article");
  const interactive = performance.now() - opened;
  const times = await page.evaluate<
    readonly number[]
  >(`[["text", "dog"], ["sort", "best"], ["least", "0.5"], ["text", ""]].map(([name, value]) => {
    const input = document.querySelector('#filters [name="' + name + '"]');
    const started = performance.now();
    input.value = value;
    input.dispatchEvent(new Event("input", { bubbles: true }));
    document.body.getBoundingClientRect();
    return performance.now() - started;
  })`);
  console.log(
    `${count} rollouts: made in ${made.toFixed(0)} ms, ${(Buffer.byteLength(html) / 1e6).toFixed(2)} MB, list after ${interactive.toFixed(0)} ms, filters ${times.map((time) => time.toFixed(0)).join(", ")} ms`,
  );
  await page.close();
}
await browser.close();
await rm(folder, { recursive: true });
