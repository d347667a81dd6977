import { existsSync } from "node:fs";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";

/** Debian's Chromium and its usual neighbours, or the program that RISE_CHROMIUM names. */
const candidates = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

const executablePath = process.env.RISE_CHROMIUM ?? candidates.find((path) => existsSync(path));

/** Why pages cannot be drawn here; undefined where they can. A test that is skipped shows it in its name. */
export const noBrowser = executablePath ? undefined : "no Chromium: apt-get install chromium, or set RISE_CHROMIUM";

/** A headless browser that reaches nothing but the pages it is given. */
export const openBrowser = (flags: readonly string[] = ["--disable-gpu"]): Promise<Browser> =>
  chromium.launch({
    executablePath: executablePath!,
    args: ["--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking", ...flags],
  });

/** WebGPU on whatever adapter there is, or on Chromium's own in software. */
export const gpuFlags = ["--enable-unsafe-webgpu", "--enable-features=Vulkan", "--use-webgpu-adapter=swiftshader"];

/** A page that shows this HTML, and everything that it asked for or said. */
export async function openedIn(
  browser: Browser,
  html: string,
  options: BrowserContextOptions = {},
): Promise<{ readonly page: Page; readonly said: readonly string[] }> {
  const page = await browser.newPage({ viewport: { width: 1400, height: 900 }, ...options });
  const said: string[] = [];
  page.on("request", (request) => {
    if (!request.url().startsWith("data:")) said.push(request.url());
  });
  page.on("console", (message) => said.push(message.text()));
  page.on("pageerror", (error) => said.push(error.message));
  await page.setContent(html);
  return { page, said };
}
