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
import sharp from "sharp";
import { openBrowser } from "../test/report/browser";

const { values } = parseArgs({
  options: { runs: { type: "string", default: "runs/report-images" }, look: { type: "string" } },
});

const pages = { detection: reportOf("detection"), moods: reportOf("moods") };
const browser = await openBrowser();
if (values.look !== undefined)
  for (const [name, file] of Object.entries(pages)) await lookAt(browser, name, file, values.look);
await image(browser, pages.moods, "report-threshold", "section:has(.cots)", "light");
await image(browser, pages.detection, "report-rollouts", "section:has(#filters)", "light");
await browser.close();

/** The report of a demo, which is run if its folder is not there. */
function reportOf(task: string): string {
  const out = join(values.runs, task);
  if (!existsSync(join(out, "results.json"))) {
    const command = ["tsx", "examples/demo/main.ts", "--task", task, "--steps", "4", "--out", out];
    execFileSync("npx", command, { stdio: "inherit" });
  }
  return join(out, "seed-0", "report.html");
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
  // The list draws the cards that are in sight, so that the page is scrolled and not the section photographed.
  await page.evaluate(`document.querySelector(${JSON.stringify(part)}).scrollIntoView()`);
  await page.waitForTimeout(500);
  const { x, width } = (await page.locator(part).first().boundingBox())!;
  const png = await page.screenshot({ clip: { x, y: 0, width, height: 900 } });
  await sharp(png)
    .webp({ quality: 80 })
    .toFile(join("docs", "images", `${name}.webp`));
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
