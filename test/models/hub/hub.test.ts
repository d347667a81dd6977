import { mkdtemp, readdir, readFile, readlink, rename, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { onnxBackend } from "../../../src/backends/onnx";
import { mergeAdapter } from "../../../src/engine/checkpoint/merge";
import { BackendError, ConfigError, DataError } from "../../../src/errors";
import { type DownloadProgress, downloadLog } from "../../../src/models/hub/progress";
import { resolveModel } from "../../../src/models/hub/resolve";
import { plainLog } from "../../../src/terminal/log";
import { onnxTrainer } from "../../../src/trainers/onnx";
import { checkpointDir, promptOf, reference } from "../reference";
import { filesOf, type HubServer, hubServer } from "./hub-server";

const id = "tiny/qwen2-vl";
const checkpoint = await filesOf(checkpointDir);
const weights = checkpoint.get("model.safetensors")!;
let hub: HubServer;
let home: string;

beforeEach(async () => {
  hub = await hubServer(id, checkpoint);
  home = await mkdtemp(join(tmpdir(), "hub-"));
  for (const [name, value] of Object.entries({
    HF_HOME: home,
    HF_ENDPOINT: hub.url,
    HF_TOKEN: undefined,
    HF_TOKEN_PATH: undefined,
    HF_HUB_CACHE: undefined,
    HUGGINGFACE_HUB_CACHE: undefined,
    HF_HUB_OFFLINE: undefined,
  }))
    vi.stubEnv(name, value);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await hub.close();
  await rm(home, { recursive: true });
});

const quiet = { beforeWeights: async () => {}, onDownload: () => {} };
const resolve = (model = id, options: Partial<Parameters<typeof resolveModel>[1]> = {}) =>
  resolveModel(model, { ...quiet, ...options });
const folder = (...path: string[]) => join(home, "hub", "models--tiny--qwen2-vl", ...path);
const requestsFor = (file: string) => hub.requests.filter((request) => request.includes(`/${file}`));

async function refuses(attempt: Promise<unknown>, kind: new (...args: never[]) => Error, ...parts: readonly string[]) {
  const error: unknown = await attempt.then(
    () => new Error("nothing was refused"),
    (cause: unknown) => cause,
  );
  expect(error).toBeInstanceOf(kind);
  for (const part of parts) expect((error as Error).message).toContain(part);
}

describe("a model of the hub", () => {
  it("is opened by its id, and computes what its directory computes", async () => {
    const options = { maxTokens: 8, temperature: 0, seed: 0 };
    const prompts = reference.cases.map(promptOf);
    const backends = await Promise.all(
      [id, checkpointDir].map((model) => onnxBackend({ model, device: "cpu", onDownload: () => {} })),
    );
    const [remote, local] = await Promise.all(backends.map((backend) => backend.generate(prompts, options)));
    expect(remote).toEqual(local);
    expect(backends[0]!.name).toBe(`onnx ${id}`);
    await Promise.all(backends.map((backend) => backend.dispose()));
  });

  it("lies in the cache as Python's huggingface_hub lays it: refs, snapshots, blobs by digest", async () => {
    const dir = await resolve();
    expect(dir).toBe(folder("snapshots", hub.commit));
    expect(await readFile(folder("refs", "main"), "utf8")).toBe(hub.commit);
    for (const [name, content] of checkpoint) expect(await readFile(join(dir, name)), name).toEqual(content);
    expect(await readlink(join(dir, "model.safetensors"))).toMatch(/^\.\.\/\.\.\/blobs\/[0-9a-f]{64}$/);
    expect((await readdir(folder("blobs"))).filter((name) => name.endsWith("incomplete"))).toEqual([]);
  });

  it("is a directory when there is one, and the hub is not asked", async () => {
    expect(await resolve(checkpointDir)).toBe(checkpointDir);
    expect(hub.requests).toEqual([]);
  });

  it("is not loaded again, and only what changed is when there is a new commit", async () => {
    await resolve();
    hub.requests.length = 0;
    await resolve();
    expect(hub.requests).toEqual([
      `GET /api/models/${id}/revision/main`,
      `GET /api/models/${id}/tree/${"1".repeat(40)}`,
    ]);
    hub.commit = "2".repeat(40);
    hub.files = new Map(checkpoint).set("generation_config.json", Buffer.from('{"eos_token_id": 3}'));
    const dir = await resolve();
    expect(dir).toBe(folder("snapshots", hub.commit));
    expect(await readFile(join(dir, "generation_config.json"), "utf8")).toContain("3");
    expect(requestsFor("model.safetensors")).toEqual([]);
  });

  it("is loaded once for two who ask at the same time", async () => {
    const [a, b] = await Promise.all([resolve(), resolve()]);
    expect(a).toBe(b);
    expect(requestsFor("model.safetensors")).toHaveLength(2);
  });

  it("may be asked for at a branch or tag, each with a reference of its own", async () => {
    hub.revisions.set("v1", "3".repeat(40)).set("refs/pr/7", "4".repeat(40));
    expect(await resolve(`${id}@v1`)).toBe(folder("snapshots", "3".repeat(40)));
    expect(await resolve(`${id}@refs/pr/7`)).toBe(folder("snapshots", "4".repeat(40)));
    expect(await readFile(folder("refs", "v1"), "utf8")).toBe("3".repeat(40));
    expect(await readFile(folder("refs", "refs", "pr", "7"), "utf8")).toBe("4".repeat(40));
    vi.stubEnv("HF_HUB_OFFLINE", "1");
    expect(await resolve(`${id}@v1`)).toBe(folder("snapshots", "3".repeat(40)));
    await refuses(resolve(), BackendError, "no copy in");
  });

  it("may be asked for at a commit, which once here is never asked for again", async () => {
    const dir = await resolve(`${id}@${hub.commit}`);
    expect(dir).toBe(folder("snapshots", hub.commit));
    expect(await readdir(folder())).not.toContain("refs");
    hub.requests.length = 0;
    expect(await resolve(`${id}@${hub.commit}`)).toBe(dir);
    expect(hub.requests).toEqual([]);
  });

  it("is what an adapter says it belongs to, the revision apart, as PEFT reads it", async () => {
    hub.revisions.set("v1", hub.commit);
    const trainer = await onnxTrainer({ model: `${id}@v1`, device: "cpu", lora: { rank: 1 }, onDownload: () => {} });
    await trainer.save(join(home, "adapter"));
    await trainer.dispose();
    const config = JSON.parse(await readFile(join(home, "adapter", "adapter_config.json"), "utf8"));
    expect(config).toMatchObject({ base_model_name_or_path: id, revision: "v1" });
    vi.stubEnv("HF_HUB_OFFLINE", "1");
    await mergeAdapter(join(home, "adapter"), join(home, "merged"));
    expect(await readdir(join(home, "merged"))).toContain("model.safetensors");
  });

  it("that Python left in the cache in part is completed", async () => {
    const dir = await resolve();
    await rm(join(dir, "tokenizer.json"));
    await rm(join(dir, "generation_config.json"));
    hub.requests.length = 0;
    await resolve();
    expect((await readdir(dir)).sort()).toEqual([...checkpoint.keys()].sort());
    expect(requestsFor("model.safetensors")).toEqual([]);
  });

  it("brings only the files that the library reads", async () => {
    const others = ["README.md", "vocab.json", "merges.txt", "trainer_state.json", "pytorch_model.bin", "tf_model.h5"];
    hub.files = new Map([...checkpoint, ...others.map((name) => [name, Buffer.from("{}")] as const)]);
    expect((await readdir(await resolve())).sort()).toEqual([...checkpoint.keys()].sort());
  });

  it("may be sharded: only the shards of its index are loaded, nothing beside", async () => {
    const index = { weight_map: { a: "part-1.safetensors", b: "part-2.safetensors" } };
    hub.files = new Map([
      ["config.json", checkpoint.get("config.json")!],
      ["model.safetensors.index.json", Buffer.from(JSON.stringify(index))],
      ["part-1.safetensors", weights.subarray(0, 200_000)],
      ["part-2.safetensors", weights.subarray(200_000)],
      ["pytorch_model.bin", weights],
      ["consolidated.safetensors", weights],
      ["README.md", Buffer.from("#")],
    ]);
    expect((await readdir(await resolve())).sort()).toEqual([
      "config.json",
      "model.safetensors.index.json",
      "part-1.safetensors",
      "part-2.safetensors",
    ]);
  });

  it("that this network cannot represent is refused before its weights are loaded", async () => {
    hub.files = new Map(checkpoint).set("config.json", Buffer.from('{"model_type": "llama"}'));
    const opening = onnxBackend({ model: id, device: "cpu", onDownload: () => {} });
    await refuses(opening, ConfigError, 'model_type: expected "qwen2_vl" or "qwen2_5_vl" or "qwen3_vl", got "llama"');
    expect(requestsFor("model.safetensors")).toEqual([]);
  });

  it("tells of every piece, up to the last byte", async () => {
    const told: DownloadProgress[] = [];
    const onDownload = (progress: DownloadProgress) => told.push(progress);
    await resolve(id, { onDownload });
    const total = [...checkpoint.values()].reduce((sum, { length }) => sum + length, 0);
    expect(told[0]).toEqual({ model: id, file: "config.json", loaded: 0, total });
    expect(told.at(-1)).toEqual({ model: id, file: "model.safetensors", loaded: total, total });
    const loaded = told.map((progress) => progress.loaded);
    expect(loaded).toEqual([...loaded].sort((a, b) => a - b));
    told.length = 0;
    await resolve(id, { onDownload });
    expect(told, "nothing to load").toEqual([]);
  });
});

describe("a download that breaks", () => {
  const small = [...checkpoint.keys()].filter((name) => /\.(json|txt|jinja)$/.test(name)).length;
  const cutWeights = (...cuts: number[]) => hub.cuts.push(...Array<number>(small).fill(Infinity), ...cuts);

  it("continues where it broke", async () => {
    cutWeights(200_000, 100_000);
    const dir = await resolve();
    expect(await readFile(join(dir, "model.safetensors"))).toEqual(weights);
    const parts = requestsFor("model.safetensors").filter((request) => !request.endsWith("size"));
    expect(parts).toHaveLength(3);
    const offsets = parts.slice(1).map((request) => Number(/from (\d+)/.exec(request)![1]));
    expect(offsets[0]).toBeGreaterThan(0);
    expect(offsets[0]).toBeLessThanOrEqual(200_000);
    expect(offsets[1]).toBeGreaterThan(offsets[0]!);
  });

  it("is given up after five tries without a byte, and the next call continues from there", async () => {
    cutWeights(200_000, 0, 0, 0, 0, 0);
    await refuses(
      resolve(),
      BackendError,
      "model.safetensors: the connection broke 5 times",
      `of ${weights.length} bytes`,
    );
    // Another process has another id: what this one left belongs to nobody once it is gone.
    const [left] = (await readdir(folder("blobs"))).filter((name) => name.endsWith(`.${process.pid}.incomplete`));
    expect((await readFile(folder("blobs", left!))).length).toBeGreaterThan(0);
    hub.requests.length = 0;
    await resolve();
    expect(requestsFor("model.safetensors").at(-1)).toMatch(/from [1-9]/);
  });

  it("is continued by another process when the one that began has ended", async () => {
    cutWeights(200_000, 0, 0, 0, 0, 0);
    await refuses(resolve(), BackendError, "broke");
    const [left] = (await readdir(folder("blobs"))).filter((name) => name.endsWith(".incomplete"));
    await rename(folder("blobs", left!), folder("blobs", left!.replace(`.${process.pid}.`, ".999999999.")));
    hub.requests.length = 0;
    const dir = await resolve();
    expect(requestsFor("model.safetensors").at(-1)).toMatch(/from [1-9]/);
    expect(await readFile(join(dir, "model.safetensors"))).toEqual(weights);
    expect((await readdir(folder("blobs"))).filter((name) => name.endsWith("incomplete"))).toEqual([]);
  });

  it("begins again when what is there turns out wrong, or the hub sends whole files only", async () => {
    hub.ignoresRanges = true;
    cutWeights(200_000);
    expect(await readFile(join(await resolve(), "model.safetensors"))).toEqual(weights);
  });

  it.each(["model.safetensors", "config.json"])("or brings other bytes than announced is refused: %s", async (file) => {
    const wrong = Buffer.from(checkpoint.get(file)!);
    wrong[wrong.length - 1]! ^= 1;
    hub.sent.set(file, wrong);
    const algorithm = file === "config.json" ? "git-sha1" : "sha256";
    await refuses(resolve(), BackendError, `${file}: expected ${algorithm}`, "what came is deleted");
    expect(await readdir(folder("snapshots", hub.commit)).catch(() => [])).not.toContain(file);
    expect((await readdir(folder("blobs"))).filter((name) => name.endsWith("incomplete"))).toEqual([]);
    hub.sent.clear();
    expect(await readFile(join(await resolve(), file))).toEqual(checkpoint.get(file));
  });

  it("or brings another size than announced is refused", async () => {
    hub.sent.set("model.safetensors", weights.subarray(0, 1000));
    await refuses(resolve(), BackendError, `model.safetensors: expected ${weights.length} bytes`, "has 1000");
  });
});

describe("without the hub", () => {
  it("a model that is here is used: no network, HF_HUB_OFFLINE, a hub in trouble", async () => {
    const dir = await resolve();
    hub.status = 503;
    expect(await resolve()).toBe(dir);
    hub.requests.length = 0;
    vi.stubEnv("HF_HUB_OFFLINE", "1");
    expect(await resolve()).toBe(dir);
    expect(hub.requests).toEqual([]);
    vi.stubEnv("HF_HUB_OFFLINE", undefined);
    vi.stubEnv("HF_ENDPOINT", "http://127.0.0.1:1");
    expect(await resolve()).toBe(dir);
  });

  it("an older copy is used while a new one is not complete", async () => {
    const dir = await resolve();
    hub.commit = "2".repeat(40);
    hub.sent.set("model.safetensors", weights.subarray(1));
    hub.files = new Map(checkpoint).set("model.safetensors", Buffer.concat([weights, Buffer.alloc(8)]));
    await refuses(resolve(), BackendError, "model.safetensors");
    vi.stubEnv("HF_HUB_OFFLINE", "1");
    expect(await resolve()).toBe(dir);
  });

  it("a model that is not here is refused, with what cannot be reached and why", async () => {
    vi.stubEnv("HF_ENDPOINT", "http://127.0.0.1:1");
    await refuses(resolve(), BackendError, id, "cannot get it from http://127.0.0.1:1", "fetch failed", folder());
    vi.stubEnv("HF_HUB_OFFLINE", "true");
    await refuses(resolve(), BackendError, id, "HF_HUB_OFFLINE is set", `no copy in ${folder()}`);
  });

  it("an id with a letter too few is recognised among the models that are here", async () => {
    await resolve();
    vi.stubEnv("HF_HUB_OFFLINE", "1");
    await refuses(resolve("tiny/qwen2-v"), BackendError, `did you mean ${id}?`);
  });

  it("a copy that lacks weights does not count", async () => {
    const dir = await resolve();
    await rm(join(dir, "model.safetensors"));
    vi.stubEnv("HF_HUB_OFFLINE", "1");
    await refuses(resolve(), BackendError, `no weights in ${dir}`);
    await rm(join(dir, "preprocessor_config.json"));
    await refuses(
      resolve(),
      BackendError,
      `no preprocessor_config.json or processor_config.json, no weights in ${dir}`,
    );
  });
});

describe("a hub that refuses", () => {
  it("an unknown model: it is no directory either", () =>
    refuses(resolve("tiny/other"), BackendError, "tiny/other", "has no such model", "(404)", "no such directory"));

  it("an unknown revision", () =>
    refuses(resolve(`${id}@v9`), BackendError, `${id}: ${hub.url} has no such model, or not its revision v9 (404)`));

  it("a revision that would lead out of the cache", () =>
    refuses(resolve(`${id}@../../x`), DataError, "expected a directory with a checkpoint or a hub id"));

  it("one that is private or gated, without a token or with a wrong one", async () => {
    hub.token = "hf_right";
    await refuses(
      resolve(),
      BackendError,
      "refuses it (401)",
      `accept its terms at ${hub.url}/${id}`,
      "HF_TOKEN is not set",
    );
    vi.stubEnv("HF_TOKEN", "hf_wrong");
    await refuses(resolve(), BackendError, "HF_TOKEN does not give access");
    vi.stubEnv("HF_TOKEN", "hf_right");
    expect(await resolve()).toBe(folder("snapshots", hub.commit));
  });

  it("one whose token Python's hf auth login keeps, unless another is set", async () => {
    hub.token = "hf_right";
    const elsewhere = join(home, "elsewhere");
    await writeFile(join(home, "token"), "hf_right\n");
    await writeFile(elsewhere, "hf_wrong");
    vi.stubEnv("HF_TOKEN_PATH", elsewhere);
    await refuses(resolve(), BackendError, `${elsewhere} does not give access`);
    vi.stubEnv("HF_TOKEN_PATH", undefined);
    vi.stubEnv("HF_TOKEN", "hf_other");
    await refuses(resolve(), BackendError, "HF_TOKEN does not give access");
    vi.stubEnv("HF_TOKEN", "");
    expect(await resolve()).toBe(folder("snapshots", hub.commit));
  });

  it("never says the token, whatever is wrong with it", async () => {
    vi.stubEnv("HF_TOKEN", "secret");
    const error = await resolve().catch((cause: Error) => cause);
    expect(error).toBeInstanceOf(ConfigError);
    expect(String(error)).toContain("begins with hf_");
    expect(String(error)).not.toContain("secret");
  });

  it("that sends something else than a commit", async () => {
    hub.commit = "../../../etc";
    await refuses(resolve(), BackendError, "expected a commit");
  });
});

describe("a hub that misbehaves", () => {
  it("opens a complete cached model when the hub accepts the request and never answers", async () => {
    const dir = await resolve();
    hub.silent = "api";
    vi.stubEnv("HF_HUB_ETAG_TIMEOUT", "0.2");
    expect(await resolve()).toBe(dir);
  });

  it("names the deadline when the hub never answers and the cache has no copy", async () => {
    hub.silent = "api";
    vi.stubEnv("HF_HUB_ETAG_TIMEOUT", "0.2");
    await refuses(resolve(), BackendError, "no answer within 0.2 s (HF_HUB_ETAG_TIMEOUT)");
    vi.stubEnv("HF_HUB_ETAG_TIMEOUT", "soon");
    await refuses(resolve(), ConfigError, 'HF_HUB_ETAG_TIMEOUT: expected a number of seconds above 0, got "soon"');
  });

  it("gives up a file of which no byte comes", async () => {
    hub.silent = "files";
    vi.stubEnv("HF_HUB_DOWNLOAD_TIMEOUT", "0.05");
    await refuses(resolve(), BackendError, "the connection broke 5 times", "no byte came within 50 ms");
  });

  it("stops after 100 pages when every page of the listing names a next one", async () => {
    hub.next = `${hub.url}/api/models/${id}/tree/${hub.commit}?cursor=x`;
    await refuses(resolve(), BackendError, "expected at most 100 pages of files");
    expect(hub.requests.length).toBeLessThanOrEqual(101);
  });

  it("sends no token to another host when the listing continues there", async () => {
    const other = await hubServer(id, checkpoint);
    hub.next = `${other.url}/api/models/${id}/tree/${hub.commit}`;
    hub.token = "hf_right";
    vi.stubEnv("HF_TOKEN", "hf_right");
    await refuses(resolve(), BackendError, `expected an address of ${hub.url}, got one of ${other.url}`);
    expect(other.requests).toEqual([]);
    await other.close();
  });

  it("leaves the token behind when contents are on another host, as the hub's own are", async () => {
    const other = await hubServer(id, checkpoint);
    Object.assign(hub, { contents: other.url, token: "hf_right" });
    vi.stubEnv("HF_TOKEN", "hf_right");
    expect(await readFile(join(await resolve(), "model.safetensors"))).toEqual(weights);
    expect(new Set(other.authorizations)).toEqual(new Set([undefined]));
    expect(new Set(hub.authorizations)).toEqual(new Set(["Bearer hf_right"]));
    await other.close();
  });

  it("is not followed to another host for anything but contents", async () => {
    const other = await hubServer(id, checkpoint);
    hub.elsewhere = other.url;
    await refuses(resolve(), BackendError, `the server redirects to ${other.url}/api/models/${id}`, "another host");
    expect(other.requests).toEqual([]);
    await other.close();
  });

  it("keeps no more of a file than its announced size when more is sent", async () => {
    hub.surplus = 5_000_000;
    await refuses(resolve(), BackendError, "config.json: expected git-sha1", "got more than", "what came is deleted");
    expect((await readdir(folder("blobs"))).filter((name) => name.endsWith("incomplete"))).toEqual([]);
  });

  it("brings an empty file as an empty file", async () => {
    hub.files = new Map(checkpoint).set("chat_template.jinja", Buffer.alloc(0));
    expect(await readFile(join(await resolve(), "chat_template.jinja"))).toHaveLength(0);
  });

  it("refuses a listing with a size that is no size", async () => {
    hub.files = new Map(checkpoint).set(
      "config.json",
      Object.defineProperty(Buffer.from("{}"), "length", { value: -1 }),
    );
    await refuses(resolve(), BackendError, "config.json: expected a size in the hub's listing, got -1");
  });
});

describe("a name that is neither directory nor id", () => {
  it("is refused with what it may be", () =>
    refuses(resolve("./missing/model"), DataError, "./missing/model: expected a directory", "hub id like"));

  it("is a directory's with a slip in it", async () => {
    const slipped = checkpointDir.replace("reference", "refrence").replace(/checkpoint$/, "Checkpoints");
    await refuses(resolve(slipped), DataError, `did you mean ${checkpointDir}?`);
    await refuses(resolve(`${checkpointDir}/weights`), DataError, "got no such directory");
  });

  it("is a file in the directory that was meant", () =>
    refuses(resolve(join(checkpointDir, "config.json")), DataError, `it is a file: did you mean ${checkpointDir}?`));

  it("is the hub's page of the model", () =>
    refuses(resolve(`https://huggingface.co/${id}/tree/main`), DataError, `did you mean ${id}?`));

  it("is a path of two parts, which might have been an id: where the hub has none, the directory is named", async () => {
    const model = "exemples/tiny-vlm";
    await refuses(resolve(model), BackendError, "(404)", `did you mean ${join("examples", "tiny-vlm")}?`);
  });
});

describe("files that others left in the cache", () => {
  it("are used where they fit: a blob without its link is not loaded again", async () => {
    const dir = await resolve();
    await rm(dir, { recursive: true });
    hub.requests.length = 0;
    await resolve();
    expect(requestsFor("model.safetensors")).toEqual([]);
  });

  it("are replaced where they are dead: a link to a blob that is gone", async () => {
    const dir = await resolve();
    for (const blob of await readdir(folder("blobs"))) await rm(folder("blobs", blob));
    expect(await readFile(join(await resolve(), "model.safetensors"))).toEqual(weights);
    expect(dir).toBe(folder("snapshots", hub.commit));
  });

  it("are replaced where they were cut off", async () => {
    const dir = await resolve();
    await truncate(join(dir, "model.safetensors"), 1000);
    await rm(dir, { recursive: true });
    expect(await readFile(join(await resolve(), "model.safetensors"))).toEqual(weights);
  });

  it("that do not exist are an error that names the folder, not the hub", async () => {
    const file = join(home, "file");
    await writeFile(file, "");
    vi.stubEnv("HF_HUB_CACHE", file);
    await refuses(resolve(), BackendError, `${id}: cannot be kept in the cache, ${file}`, "ENOTDIR");
  });

  it("of other programs are not touched", async () => {
    await resolve();
    const foreign = folder("blobs", "abc.incomplete");
    await writeFile(foreign, "x");
    await rm(folder("snapshots"), { recursive: true });
    await resolve();
    expect(await readFile(foreign, "utf8")).toBe("x");
  });
});

describe("the log of a download", () => {
  it("has a line at every tenth, and says when all is there", () => {
    const lines: string[] = [];
    let now = 0;
    const { onDownload, close } = downloadLog(
      plainLog(
        id,
        (line) => lines.push(line),
        () => now,
      ),
    );
    for (let i = 0; i <= 100; i++) {
      now = 1000 * i;
      onDownload({ model: id, file: "f", loaded: i * 20_000_000, total: 2e9 });
    }
    close(true);
    expect(lines).toHaveLength(11);
    expect(lines[0]).toBe(`${id}: download 200.0 MB of 2.0 GB, f; 10 s so far, about 2 min left`);
    expect(lines.slice(-2)).toEqual([`${id}: download 2.0 GB; took 2 min`, `${id}: 2.0 GB are in the cache`]);
  });

  it("says nothing when everything was in the cache", () => {
    const lines: string[] = [];
    downloadLog(plainLog(id, (line) => lines.push(line))).close(true);
    expect(lines).toEqual([]);
  });
});
