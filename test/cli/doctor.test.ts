import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { providerProblem } from "../../src/onnx/runtime/device";
import { runtimeVersion } from "../../src/onnx/runtime/installation";

afterEach(() => {
  vi.unstubAllEnvs();
  vi.resetModules();
});

async function examine() {
  const { examine } = await import("../../src/cli/machine/doctor");
  const { code, text } = await examine(1);
  return { code, text };
}

describe("rise-ts doctor", () => {
  it("tells versions, threads, memory, the cache, and what each device can do", async () => {
    const home = await mkdtemp(join(tmpdir(), "doctor-"));
    await mkdir(join(home, "hub", "models--tiny--qwen2-vl"), { recursive: true });
    vi.stubEnv("HF_HOME", home);
    vi.stubEnv("HF_HUB_CACHE", undefined);
    vi.stubEnv("HUGGINGFACE_HUB_CACHE", undefined);
    vi.stubEnv("HF_ENDPOINT", "http://127.0.0.1:1");
    vi.stubEnv("HF_TOKEN", "hf_secret");
    const { code, text } = await examine();
    await rm(home, { recursive: true });
    expect(code).toBe(0);
    expect(text).toMatch(/^rise-ts +\d+\.\d+\.\d+$/m);
    expect(text).toMatch(new RegExp(`^Node +${process.versions.node} on ${process.platform} ${process.arch}$`, "m"));
    expect(text).toContain(`onnxruntime   ${runtimeVersion()}\n`);
    expect(text).toMatch(/^threads +[1-9]\d*$/m);
    expect(text).toMatch(/^memory +\d+\.\d GB free of \d+\.\d GB$/m);
    expect(text).toContain(`model cache   ${join(home, "hub")} (models: 1, `);
    expect(text).toContain("hub           http://127.0.0.1:1, HF_TOKEN is set\n");
    expect(text).not.toContain("secret");
    expect(text).toMatch(/^cpu +works: [\d.e+]+ GFLOP\/s in float32 matrix products$/m);
    const problem = await providerProblem("cuda");
    expect(text).toMatch(problem === undefined ? /^cuda +works: / : /^cuda +cannot be used: /m);
    if (problem !== undefined) expect(text).toContain(problem);
    expect(text).toContain(`device: "auto" is "${problem === undefined ? "cuda" : "cpu"}" here.`);
    if (process.platform === "linux") expect(text).toMatch(/^ {2}libonnxruntime_providers_cuda\.so +\S/m);
  });

  it("looks for a folder that is not there yet where it will be made", async () => {
    vi.stubEnv("HF_HUB_CACHE", join(tmpdir(), "nowhere", "hub"));
    const { text } = await examine();
    expect(text).toMatch(/^model cache +\S+nowhere\/hub \(not there yet, \d+\.\d GB free\)$/m);
  });

  it("ends with 1 and says why where not even the CPU computes", async () => {
    const { execPath } = process;
    process.execPath = "/nowhere/node";
    try {
      const { code, text } = await examine();
      expect(code).toBe(1);
      expect(text).toMatch(/^cpu +cannot be used: .*ENOENT/m);
      expect(text).toContain("rise-ts cannot run here.");
    } finally {
      process.execPath = execPath;
    }
  });
});
