/**
 * Serves the annotator on this machine: the page, transformers.js, its runtime, and a model that `exportTransformersJs` wrote.
 *
 *   npx tsx examples/browser/server.ts MODEL        (http://127.0.0.1:8080)
 */
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { createRequire } from "node:module";
import { dirname, extname, join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const entry = createRequire(import.meta.url).resolve("@huggingface/transformers");
const library = dirname(entry);
const runtime = dirname(createRequire(entry).resolve("onnxruntime-web"));
const types: Readonly<Record<string, string>> = {
  ...{ ".html": "text/html", ".js": "text/javascript", ".mjs": "text/javascript", ".css": "text/css" },
  ...{ ".json": "application/json", ".wasm": "application/wasm" },
};

/** Nothing from elsewhere, and no script in the page: what a model writes is text. */
const policy =
  "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self' blob: data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

export interface ServeOptions {
  readonly model: string;
  /** 0: any free port. */
  readonly port?: number;
  /** Whether the page is isolated from other origins, which browsers ask of pages with threads (true). */
  readonly isolated?: boolean;
}

/** Listens on 127.0.0.1 alone. */
export async function serve({ model, port = 8080, isolated = true }: ServeOptions): Promise<Server> {
  const shared = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };
  const server = createServer(async ({ url = "/" }, response) => {
    const file = fileOf(url, model);
    const found = file === undefined ? undefined : await stat(file).catch(() => undefined);
    const isThere = file !== undefined && found?.isFile() === true;
    response.writeHead(isThere ? 200 : 404, {
      "Content-Type": types[extname(file ?? "")] ?? "application/octet-stream",
      "Content-Security-Policy": policy,
      "X-Content-Type-Options": "nosniff",
      ...(isThere && { "Content-Length": found.size }),
      ...(isolated && shared),
    });
    if (isThere) createReadStream(file).pipe(response);
    else response.end();
  });
  return new Promise((ready) => server.listen(port, "127.0.0.1", () => ready(server)));
}

/** The file of an address; none outside the three folders. */
function fileOf(url: string, model: string): string | undefined {
  if (!URL.canParse(url, "http://localhost")) return undefined;
  // URL resolves every "..", so that no path leads out of its folder.
  const [first, ...rest] = new URL(url, "http://localhost").pathname.slice(1).split("/");
  const name = rest.join("/");
  if (first === "model") return join(resolve(model), name);
  if (first === "lib") return join(name.startsWith("ort-") ? runtime : library, name);
  return join(here, first || "index.html");
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [model] = process.argv.slice(2);
  if (model === undefined)
    throw new Error(
      "MODEL: expected the folder of an exported model, got none; write one with npx rise-ts export MODEL FOLDER",
    );
  await serve({ model });
  console.log("http://127.0.0.1:8080");
}
