/**
 * Makes the images of docs/images from two short runs of the demo, and images of every width and scheme to look at.
 * Each run takes 5 minutes on two cores; a folder that is there is used again.
 *
 *   npx tsx bench/report-images.ts [--runs runs/report-images] [--look DIR]
 */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import type { Browser, Page } from "playwright-core";
import { htmlReport } from "rise-ts/report";
import sharp from "sharp";
import { partSizes } from "../examples/demo/settings";
import { type DemoTask, detectionDemo, moodsDemo } from "../examples/demo/tasks";
import { openBrowser } from "../test/report/browser";

const { values } = parseArgs({
  options: { runs: { type: "string", default: "runs/report-images" }, look: { type: "string" } },
});
const steps = 4;

const pages = {
  detection: await reportOf(detectionDemo),
  moods: await reportOf(moodsDemo),
};
const browser = await openBrowser();
for (const [name, file] of Object.entries(pages)) {
  if (values.look !== undefined) await lookAt(browser, name, file, values.look);
}
await image(browser, pages.moods, "report-threshold", "section:has(.cots)", "light");
await image(browser, pages.detection, "report-rollouts", "section:has(#filters)", "light");
await browser.close();

/** Runs the demo, if its folder is not there, and makes its report. */
async function reportOf<A>(demo: DemoTask<A>): Promise<string> {
  const out = join(values.runs, demo.name);
  if (!existsSync(join(out, "results.json"))) {
    const command = ["tsx", "examples/demo/main.ts", "--task", demo.name, "--steps", String(steps), "--out", out];
    execFileSync("npx", command, { stdio: "inherit" });
  }
  const parts = await demo.data({ seed: 0, ...partSizes({ cot: steps, sft: steps, rft: steps }, demo.parts) });
  const runs = [
    ["RISE-CoT", "rise-cot"],
    ["RISE: SFT", "sft"],
    ["RISE: RFT", "rft"],
    ["RFT only", "rft-only"],
  ].map(([title, folder]) => ({ title: title!, runDir: join(out, "seed-0", folder!) }));
  const title = `RISE on the tiny model, ${demo.name}`;
  const html = await htmlReport({ title, task: demo.task, dataset: [...parts.train, ...parts.test], runs });
  const file = join(out, "report.html");
  await writeFile(file, html);
  console.log(`${file}: ${(html.length / 1000).toFixed(0)} kB`);
  return file;
}

async function opened(browser: Browser, file: string, width: number, colorScheme: "light" | "dark"): Promise<Page> {
  const page = await browser.newPage({ viewport: { width, height: 1000 }, colorScheme });
  await page.goto(pathToFileURL(file).href);
  return page;
}

/** Writes the top of a section as a small image for docs. */
async function image(browser: Browser, file: string, name: string, part: string, scheme: "light" | "dark") {
  const page = await opened(browser, file, 1200, scheme);
  if (part.includes("#filters")) await page.selectOption("#filters [name=sort]", "spread");
  const section = page.locator(part).first();
  await section.scrollIntoViewIfNeeded();
  const { height, width } = (await section.boundingBox())!;
  const png = await section.screenshot();
  const target = join("docs", "images", `${name}.webp`);
  await mkdir(join("docs", "images"), { recursive: true });
  await sharp(png)
    .extract({ left: 0, top: 0, width: Math.floor(width), height: Math.floor(Math.min(height, 900)) })
    .webp({ quality: 80 })
    .toFile(target);
  await page.close();
}

/** Writes what a person sees of a whole page: wide and narrow, light, dark and printed. */
async function lookAt(browser: Browser, name: string, file: string, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const width of [1400, 420]) {
    for (const scheme of ["light", "dark"] as const) {
      const page = await opened(browser, file, width, scheme);
      await page.screenshot({ path: join(folder, `${name}-${width}-${scheme}.png`), fullPage: true });
      if (width === 1400 && scheme === "dark")
        await writeFile(join(folder, `${name}.pdf`), await page.pdf({ printBackground: false, format: "A4" }));
      await page.close();
    }
  }
}
