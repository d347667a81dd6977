import { existsSync } from "node:fs";
import { type Browser, chromium } from "playwright-core";

/** Debian's Chromium and its usual neighbours, or the program that RISE_CHROMIUM names. */
const candidates = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

const executablePath = process.env.RISE_CHROMIUM ?? candidates.find((path) => existsSync(path));

/** Why pages cannot be drawn here; undefined where they can. A test that is skipped shows it in its name. */
export const noBrowser = executablePath ? undefined : "no Chromium: apt-get install chromium, or set RISE_CHROMIUM";

/** A headless browser that reaches nothing but the pages it is given. */
export const openBrowser = (): Promise<Browser> =>
  chromium.launch({
    executablePath: executablePath!,
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"],
  });
