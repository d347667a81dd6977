/**
 * The size of a report, and the processor time until its list is there and for a filter, in headless Chromium.
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
  const session = await page.context().newCDPSession(page);
  await session.send("Performance.enable", { timeDomain: "threadTicks" });
  const cpuMs = async () => {
    const { metrics } = await session.send("Performance.getMetrics");
    return 1000 * metrics.find(({ name }) => name === "TaskDuration")!.value;
  };
  await page.goto(pathToFileURL(file).href);
  await page.waitForSelector("#cards article");
  const shown = await cpuMs();
  const times: number[] = [];
  for (const [name, value] of [
    ["text", "dog"],
    ["sort", "best"],
    ["least", "0.5"],
    ["text", ""],
  ]) {
    const before = await cpuMs();
    await page.evaluate(`{ const input = document.querySelector('#filters [name="${name}"]');
      input.value = "${value}";
      input.dispatchEvent(new Event("input", { bubbles: true }));
      document.body.getBoundingClientRect(); }`);
    times.push((await cpuMs()) - before);
  }
  console.log(
    `${count} rollouts: made in ${made.toFixed(0)} ms, ${(Buffer.byteLength(html) / 1e6).toFixed(2)} MB; processor time of the page: list ${shown.toFixed(0)} ms, filters ${times.map((time) => time.toFixed(0)).join(", ")} ms`,
  );
  await page.close();
}
await browser.close();
await rm(folder, { recursive: true });
