import type { AddressInfo } from "node:net";
import type { Browser, Page } from "playwright-core";
import { serve } from "../../examples/browser/server";

/** The annotator's page, open on a model, and all that it asked the network for. */
export interface OpenPage {
  readonly page: Page;
  /** Addresses outside of the page's own server. */
  readonly foreign: readonly string[];
  /** Errors of the page. */
  readonly complaints: readonly string[];
  annotate(png: Uint8Array, prompt: string): Promise<{ readonly tokens: readonly number[]; readonly text: string }>;
  close(): Promise<void>;
}

export async function openPage(
  browser: Browser,
  model: string,
  isolated: boolean,
  device: "wasm" | "webgpu" = "wasm",
): Promise<OpenPage> {
  const server = await serve({ model, port: 0, isolated });
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const page = await browser.newPage();
  const foreign: string[] = [];
  const complaints: string[] = [];
  page.on("request", (request) => {
    if (!request.url().startsWith(`${origin}/`) && !request.url().startsWith(`blob:${origin}/`))
      foreign.push(request.url());
  });
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(error.message));
  await page.goto(`${origin}/?device=${device}`);
  await page.locator("#run:not([disabled])").waitFor({ timeout: 120_000 });
  return {
    page,
    foreign,
    complaints,
    // As text, because a test runner rewrites imports in functions.
    annotate: (png, prompt) =>
      page.evaluate(`import("./page.js").then(({ annotate }) =>
        annotate(new Blob([Uint8Array.from(${JSON.stringify([...png])})]), ${JSON.stringify(prompt)}))`),
    async close() {
      await page.close();
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}
