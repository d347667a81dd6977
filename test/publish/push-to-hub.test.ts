import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { BackendError, CheckpointError, ConfigError } from "../../src/errors";
import { evaluate } from "../../src/evaluation/evaluate";
import { writeSums } from "../../src/files/checksums";
import { pushToHub } from "../../src/publish";
import { classification } from "../../src/tasks/classification";
import { scriptedTrainer } from "../../src/testing";

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "rise-publish-"));
  const metrics = [1, 2, 3].map((step) => ({ stage: "rft", step, reward: step / 4, "rise/format_rate": 1 }));
  await writeFile(join(dir, "metrics.jsonl"), metrics.map((row) => `${JSON.stringify(row)}\n`).join(""));
  const config = { pipeline: "rise-r1", task: "moods", seed: 7, dataset: { examples: 96 } };
  await writeFile(
    join(dir, "config.json"),
    JSON.stringify({ ...config, policy: { name: "onnx Qwen/Qwen2-VL-2B-Instruct" } }),
  );
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(dir, { recursive: true });
});

/** Writes a checkpoint as a run does: weights, the run's own files, and their sums. */
async function checkpoint(step: number, state: object = {}, more: Readonly<Record<string, string>> = {}) {
  const folder = join(dir, "checkpoints", `step-${step}`);
  const files: Record<string, string> = {
    "adapter_config.json": "{}",
    "adapter_model.safetensors": `weights of step ${step}`,
    "optimizer.safetensors": "moments",
    "optimizer.json": "{}",
    "state.json": JSON.stringify({ step, policy: step, ...state }),
    ...more,
  };
  await mkdir(folder, { recursive: true });
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  await writeSums(folder, Object.keys(files));
}

/** A hub that keeps what is committed. It takes every file into the commit itself, as the real one does with small ones. */
async function hub({ exists = true, status = 200 } = {}) {
  const paths: string[] = [];
  const kept = new Map<string, string>();
  const server = createServer(async (request, response) => {
    const body = Buffer.concat(await request.toArray()).toString();
    paths.push(`${request.method} ${request.url}`);
    const reply = (value: object, code = 200) =>
      response.writeHead(code, { "content-type": "application/json" }).end(JSON.stringify(value));
    if (status !== 200) return reply({ error: "you may not write here, hf_secret" }, status);
    if (request.url!.includes("/preupload/"))
      return reply({
        files: JSON.parse(body).files.map(({ path }: { path: string }) => ({
          path,
          uploadMode: "regular",
          shouldIgnore: false,
        })),
      });
    if (request.url!.includes("/commit/")) {
      const lines = body
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line));
      for (const { key, value } of lines)
        if (key === "file") kept.set(value.path, Buffer.from(value.content, "base64").toString());
      return reply({ commitOid: "c0ffee", commitUrl: "http://x/c0ffee", hookOutput: "" });
    }
    if (request.method === "GET" && !exists) return reply({ error: "Repository not found" }, 404);
    reply({ url: "http://x", id: "1", name: "me/x" });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  vi.stubEnv("HF_ENDPOINT", url);
  vi.stubEnv("HF_TOKEN", "hf_secret");
  return { url, kept, paths, close: () => server.close() };
}

describe("pushToHub", () => {
  it("publishes the best checkpoint without the run's own files, with a card of what was done and measured", async () => {
    await checkpoint(10);
    await checkpoint(20, { best: { step: 10, reward: 0.9 } });
    const { url, kept, close } = await hub();
    const pushed = await pushToHub(dir, "me/moods", { license: "apache-2.0" });
    close();
    expect(pushed).toEqual({
      url: `${url}/me/moods`,
      commit: "c0ffee",
      files: ["README.md", "adapter_config.json", "adapter_model.safetensors"],
    });
    expect(kept.get("adapter_model.safetensors")).toBe("weights of step 10");
    const card = kept.get("README.md")!;
    expect(card).toMatch(/^---\nlicense: apache-2.0\nlibrary_name: peft\n/);
    expect(card).toContain("base_model: Qwen/Qwen2-VL-2B-Instruct");
    expect(card).toContain("- examples: 96");
    expect(card).toContain("| rft | reward | 3 | 0.5 | 0.5 |");
    expect(card).not.toContain(dir);
  });

  it("names the metrics and intervals of an evaluation in the card", async () => {
    await checkpoint(10);
    const runDir = join(dir, "test");
    const example = { id: "a", image: Uint8Array.of(1), annotation: { joy: 1, fear: 0 } };
    const text = "<think>A smile.</think><answer>{'joy': 1, 'fear': 0}</answer>";
    const backend = scriptedTrainer({ texts: [text] }).sampler();
    await evaluate({ task: classification({ labels: ["joy", "fear"] }), dataset: [example], backend, runDir });
    const { kept, close } = await hub();
    await pushToHub(dir, "me/moods", { evaluations: [runDir] });
    close();
    expect(kept.get("README.md")).toMatch(/Images that were evaluated: 1[\s\S]*\| formatRate \| 1 \| 1 to 1 \|/);
  });

  it("publishes the newest checkpoint when none is best, or the one that is named", async () => {
    await checkpoint(10);
    await checkpoint(20);
    const { kept, close } = await hub();
    await pushToHub(dir, "me/moods");
    expect(kept.get("adapter_model.safetensors")).toBe("weights of step 20");
    await pushToHub(dir, "me/moods", { step: 10 });
    expect(kept.get("adapter_model.safetensors")).toBe("weights of step 10");
    close();
  });

  it("publishes the weights that the newest checkpoint names, when its own steps changed none", async () => {
    await checkpoint(10);
    const folder = join(dir, "checkpoints", "step-20");
    await mkdir(folder);
    await writeFile(join(folder, "state.json"), JSON.stringify({ step: 20, policy: 10 }));
    await writeSums(folder, ["state.json"]);
    const { kept, close } = await hub();
    const { files } = await pushToHub(dir, "me/moods");
    expect(files).toContain("adapter_model.safetensors");
    expect(kept.get("README.md")).toContain("Checkpoint of step 10");
    await pushToHub(dir, "me/moods", { step: 20 });
    expect(kept.get("adapter_model.safetensors")).toBe("weights of step 10");
    close();
  });

  it("refuses an adapter whose model is a folder of this machine, and publishes it with baseModel", async () => {
    const base = join(dir, "base");
    await mkdir(base);
    await checkpoint(10, {}, { "adapter_config.json": JSON.stringify({ base_model_name_or_path: base, r: 8 }) });
    const { kept, close } = await hub();
    await expect(pushToHub(dir, "me/moods")).rejects.toThrow(/base_model_name_or_path to be a model of the hub, got/);
    expect([...kept.keys()]).toEqual([]);
    await pushToHub(dir, "me/moods", { baseModel: "Qwen/Qwen2-VL-2B-Instruct" });
    close();
    expect(JSON.parse(kept.get("adapter_config.json")!)).toEqual({
      r: 8,
      base_model_name_or_path: "Qwen/Qwen2-VL-2B-Instruct",
      revision: null,
    });
    expect([...kept.values()].join()).not.toContain(dir);
  });

  it("leaves out where a model was loaded from, and the trainer's own card", async () => {
    const config = { model_type: "qwen2_vl", _name_or_path: "/home/me/qwen", text_config: { _name_or_path: "" } };
    const more = { "config.json": JSON.stringify(config), "README.md": "base_model: /home/me/qwen" };
    await checkpoint(10, {}, more);
    const { kept, close } = await hub();
    await pushToHub(dir, "me/moods");
    close();
    expect(JSON.parse(kept.get("config.json")!)).toEqual({ model_type: "qwen2_vl", text_config: {} });
    expect([...kept.values()].join()).not.toContain("/home/me");
  });

  it("takes a folder with a name like a hub id for a folder, and the name of a model without a digest", async () => {
    await mkdir(join(dir, "models/tiny"), { recursive: true });
    const before = process.cwd();
    process.chdir(dir);
    const { kept, close } = await hub();
    try {
      await checkpoint(10);
      for (const policy of [{ name: "onnx models/tiny" }, "onnx models/tiny"]) {
        await writeFile(join(dir, "config.json"), JSON.stringify({ pipeline: "rise-r1", policy }));
        await pushToHub(dir, "me/moods");
        expect(kept.get("README.md")).not.toContain("models/tiny");
      }
    } finally {
      process.chdir(before);
      close();
    }
  });

  it("makes a missing repository, for cots as a data set", async () => {
    await writeFile(join(dir, "cots.jsonl"), '{"exampleId":"a","cot":"b"}\n');
    const { url, kept, paths, close } = await hub({ exists: false });
    const pushed = await pushToHub(dir, "me/cots", { what: "cots" });
    close();
    expect(pushed.url).toBe(`${url}/datasets/me/cots`);
    expect([...kept.keys()].sort()).toEqual(["README.md", "cots.jsonl"]);
    expect(paths).toContain("POST /api/repos/create");
  });

  it("keeps local paths out of the card", async () => {
    const config = { pipeline: "rise-r1", policy: { name: "onnx /home/me/model" } };
    await writeFile(join(dir, "config.json"), JSON.stringify(config));
    await checkpoint(10);
    const { kept, close } = await hub();
    await pushToHub(dir, "me/moods");
    close();
    expect(kept.get("README.md")).not.toContain("/home/me");
    expect(kept.get("README.md")).not.toContain("base_model");
  });

  it.each([
    ["a run without checkpoints", {}, /expected a checkpoint, got none/],
    ["another step", { step: 5 }, /expected the checkpoint of step 5/],
    ["cots that are missing", { what: "cots" as const }, /expected cots.jsonl/],
  ])("refuses %s", async (_, options, message) => {
    const { close } = await hub();
    await expect(pushToHub(dir, "me/moods", options)).rejects.toThrow(CheckpointError);
    await expect(pushToHub(dir, "me/moods", options)).rejects.toThrow(message);
    close();
  });

  it("refuses a damaged checkpoint", async () => {
    await checkpoint(10);
    await writeFile(join(dir, "checkpoints/step-10/adapter_model.safetensors"), "weights of step 11");
    const { close } = await hub();
    await expect(pushToHub(dir, "me/moods")).rejects.toThrow(/adapter_model.safetensors/);
    close();
  });

  it.each([
    ["no settings", undefined, /config\.json: expected readable JSON of an earlier run/],
    ["settings of something else", "{}", /config\.json: expected the settings of a run, but pipeline: expected text$/],
  ])("refuses a folder with %s", async (_, config, message) => {
    await writeFile(join(dir, "cots.jsonl"), "");
    await rm(join(dir, "config.json"));
    if (config !== undefined) await writeFile(join(dir, "config.json"), config);
    const { close } = await hub();
    await expect(pushToHub(dir, "me/cots", { what: "cots" })).rejects.toThrow(CheckpointError);
    await expect(pushToHub(dir, "me/cots", { what: "cots" })).rejects.toThrow(message);
    close();
  });

  it("names the hub that does not answer, and why", async () => {
    await checkpoint(10);
    vi.stubEnv("HF_ENDPOINT", "http://127.0.0.1:1");
    vi.stubEnv("HF_TOKEN", "hf_secret");
    await expect(pushToHub(dir, "me/moods")).rejects.toThrow(
      /^me\/moods: expected an answer of http:\/\/127\.0\.0\.1:1, got fetch failed: (connect ECONNREFUSED|bad port)/,
    );
  });

  it("says the hub's words and what helps, without the token", async () => {
    await checkpoint(10);
    const { close } = await hub({ status: 403 });
    const failed = pushToHub(dir, "me/moods");
    await expect(failed).rejects.toThrow(BackendError);
    await expect(failed).rejects.toThrow(/you may not write here, \[key\].*pass a token with write access/);
    close();
  });

  it("rejects with its signal's own reason, and uploads nothing", async () => {
    await checkpoint(1);
    const { kept, close } = await hub();
    const signal = AbortSignal.abort(new Error("enough"));
    await expect(pushToHub(dir, "me/moods", { signal })).rejects.toThrow(/^enough$/);
    expect(kept.size).toBe(0);
    const other = { signal: {} as AbortSignal };
    await expect(pushToHub(dir, "me/moods", other)).rejects.toThrow(/expected signal to be an AbortSignal/);
    close();
  });

  it("refuses a malformed name and a missing token", async () => {
    await checkpoint(10);
    vi.stubEnv("HF_TOKEN", "");
    vi.stubEnv("HF_TOKEN_PATH", join(dir, "no-token"));
    await expect(pushToHub(dir, "moods")).rejects.toThrow(/expected "owner\/name", got "moods"/);
    await expect(pushToHub(dir, "me/moods")).rejects.toThrow(ConfigError);
    await expect(pushToHub(dir, "me/moods")).rejects.toThrow(/set HF_TOKEN/);
  });
});
