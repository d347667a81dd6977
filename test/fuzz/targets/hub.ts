import { createHash } from "node:crypto";
import { readdir, rm } from "node:fs/promises";
import { dirname, join, sep } from "node:path";
import { resolveModel } from "../../../src/models/hub/resolve";
import { createRng } from "../../../src/rng";
import { mutated, mutatedSettings, pick } from "../mutate";
import type { Target } from "../target";

const host = "http://hub.test";
const id = "tiny/model";
const commit = "1".repeat(40);
/** A token that no message may repeat, and no other host be sent. */
const token = "hf_0123456789abcdefghijklmnopqrstuvwxyz";

const contents: Readonly<Record<string, string>> = {
  "config.json": "{}",
  "tokenizer.json": '{"a":1}',
  "tokenizer_config.json": "{ }",
  "preprocessor_config.json": "[]",
  "a.safetensors": "weights",
  "b.safetensors": "others",
};
const index = JSON.stringify({ weight_map: { x: "a.safetensors", y: "b.safetensors", z: "a.safetensors" } });
const digest = (content: Uint8Array) => createHash("sha1").update(`blob ${content.length}\0`).update(content);

/** The hub's own words of its files. */
const listing = (files: ReadonlyMap<string, Uint8Array>) =>
  [...files].map(([path, content]) => {
    const lfs = { oid: createHash("sha256").update(content).digest("hex"), size: content.length, pointerSize: 9 };
    const oid = digest(content).digest("hex");
    return { type: "file", path, size: content.length, oid, ...(path.startsWith("a.") && { lfs }) };
  });

/** Servers that are broken for a moment are asked again seconds later, which no case has. */
const statuses = [...Array<number>(12).fill(0), 302, 307, 400, 401, 403, 404, 416];
const targets = [`${host}/other`, "http://evil.test/x", "ftp://x/", "http://u:p@hub.test/", "http://[", ""];

/** The hub's answer to a request for a model, its listing and its files; the input is one of the answers. */
function hub(file: string, bytes: Uint8Array, noteRequest: (url: URL, headers: Headers) => void): typeof fetch {
  const files = new Map(Object.entries(contents).map(([name, text]) => [name, Buffer.from(text) as Uint8Array]));
  files.set("model.safetensors.index.json", file === "index" ? bytes : Buffer.from(index));
  const rng = createRng(bytes.length, "hub");
  // Every fourth case has its fault in a status or header.
  const faulty = rng.integer(4) === 0 ? rng.integer(12) : -1;
  let asked = 0;
  return async (address, init) => {
    const url = new URL(address instanceof Request ? address.url : address);
    const sent = new Headers(init?.headers);
    noteRequest(url, sent);
    const headers = new Headers({ "content-type": "application/json", etag: '"x"' });
    if (asked++ === faulty) {
      const status = pick(rng, statuses);
      if (rng.integer(2) === 0) headers.set("link", `<${pick(rng, targets)}>; rel="next"`);
      if (status > 300 && status < 400) headers.set("location", pick(rng, targets));
      if (status > 0) return new Response("{}", { status, headers });
    }
    if (url.pathname.includes("/revision/"))
      return new Response(file === "info" ? Buffer.from(bytes) : JSON.stringify({ _id: "0", id, sha: commit }), {
        headers,
      });
    if (url.pathname.includes("/tree/"))
      return new Response(file === "listing" ? Buffer.from(bytes) : JSON.stringify(listing(files)), { headers });
    const name = url.pathname.split("/").at(-1)!;
    const content = file === name ? bytes : files.get(name);
    if (!content) return new Response("{}", { status: 404, headers });
    const [, from, to] = /bytes=(\d+)-(\d+)/.exec(sent.get("range") ?? "") ?? [];
    if (from === undefined) return new Response(Buffer.from(content), { headers });
    headers.set("content-range", `bytes ${from}-${to}/${content.length}`);
    return new Response(Buffer.from(content.subarray(Number(from), Number(to) + 1)), { status: 206, headers });
  };
}

export const hubTarget: Target = {
  name: "hub",
  share: 20_000,
  inTest: 100,
  async open(folder) {
    const { fetch } = globalThis;
    const names = ["HF_HOME", "HF_ENDPOINT", "HF_TOKEN", "HF_TOKEN_PATH", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"];
    const before = names.map((name) => [name, process.env[name]] as const);
    for (const name of names) delete process.env[name];
    Object.assign(process.env, { HF_HOME: folder, HF_ENDPOINT: host, HF_TOKEN: token });
    const originals = new Map([...Object.entries(contents), ["model.safetensors.index.json", index]]);
    const seeds = {
      info: JSON.stringify({ _id: "0", id, sha: commit, siblings: [{ rfilename: "config.json" }] }),
      listing: JSON.stringify(listing(new Map([...originals].map(([name, text]) => [name, Buffer.from(text)])))),
      index,
      "config.json": contents["config.json"]!,
    };
    return {
      make(rng) {
        const [file, text] = pick(rng, Object.entries(seeds));
        const bytes = Buffer.from(text);
        // Another length than the listing's is tried again, seconds later.
        const isContent = file === "config.json";
        const changed = isContent ? mutated(rng, [bytes]).subarray(0, bytes.length) : mutatedSettings(rng, [bytes]);
        return { file, bytes: isContent && changed.length < bytes.length ? bytes : changed };
      },
      async read({ file, bytes }) {
        const faults: string[] = [];
        globalThis.fetch = hub(file, bytes, (url, headers) => {
          if (url.host !== new URL(host).host && headers.has("authorization")) faults.push(`a token for ${url.host}`);
        });
        try {
          return await resolveModel(id, { beforeWeights: async () => {}, onDownload: () => {} });
        } catch (error) {
          if (String(error).includes(token.slice(0, 12))) faults.push("a message that holds the token");
          throw error;
        } finally {
          const beside = (await readdir(dirname(folder))).filter((name) => !["inside", "outside.png"].includes(name));
          if (beside.length > 0) faults.push(`files outside the cache: ${beside.join(", ")}`);
          await rm(join(folder, "hub"), { recursive: true, force: true });
          // biome-ignore lint/correctness/noUnsafeFinally: whatever came of it, this is worse
          if (faults.length > 0) throw new Error(faults.join("; "));
        }
      },
      problem: (dir: string) => (dir.startsWith(folder + sep) ? undefined : `a model outside the cache: ${dir}`),
      close() {
        globalThis.fetch = fetch;
        for (const [name, value] of before)
          if (value === undefined) delete process.env[name];
          else process.env[name] = value;
      },
    };
  },
};
