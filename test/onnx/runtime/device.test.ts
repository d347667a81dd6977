import { copyFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { BackendError, ConfigError } from "../../../src/errors";
import { createGraph } from "../../../src/onnx/graph/graph";
import { cudaLibraries, neededLibraries } from "../../../src/onnx/runtime/cuda-libraries";
import { type Device, hasNvidiaGpu, placeOn, providerProblem, tryProvider } from "../../../src/onnx/runtime/device";
import { nativeFolder, runtimePath } from "../../../src/onnx/runtime/installation";
import { gemmSpeed } from "../../../src/onnx/runtime/self-test";
import { createSession } from "../../../src/onnx/runtime/session";

const scratch = await mkdtemp(join(tmpdir(), "device-"));
afterAll(() => rm(scratch, { recursive: true }));

/** A stand-in for onnxruntime-node. */
async function runtime(source: string): Promise<string> {
  const path = join(await mkdtemp(join(scratch, "runtime-")), "index.js");
  await writeFile(path, source);
  return path;
}

const cuda = await providerProblem("cuda");

describe("a device", () => {
  it("is the CPU when that is asked for, with as many threads as asked for", async () => {
    expect(await placeOn("cpu")).toEqual({ provider: "cpu" });
    expect(await placeOn("cpu", 2)).toEqual({ provider: "cpu", threads: 2 });
  });

  it("that nobody knows is refused, with those there are", async () => {
    const asking = placeOn("tpu" as Device);
    await expect(asking).rejects.toThrow(ConfigError);
    await expect(asking).rejects.toThrow('device: expected "auto", "cpu", "cuda", "webgpu", got "tpu"');
  });

  it.skipIf(cuda === undefined)(
    "is the CPU by default without CUDA, with one warning that says why where there is an NVIDIA GPU",
    async () => {
      const warnings: Error[] = [];
      const note = (warning: Error) => warnings.push(warning);
      process.on("warning", note);
      expect(await placeOn("auto")).toEqual({ provider: "cpu" });
      expect(await placeOn("auto", 1)).toEqual({ provider: "cpu", threads: 1 });
      await new Promise(setImmediate);
      process.off("warning", note);
      const warning = [
        `rise-ts runs on the CPU, because CUDA does not work: ${cuda} (device: "cpu" says that this is meant)`,
      ];
      expect(warnings.map(({ message }) => message)).toEqual(hasNvidiaGpu() ? warning : []);
    },
  );

  it.skipIf(cuda === undefined)(
    "without CUDA cannot be CUDA: the error says what to install and how to check",
    async () => {
      const asking = placeOn("cuda");
      await expect(asking).rejects.toThrow(BackendError);
      await expect(asking).rejects.toThrow(`device "cuda": ${cuda}`);
      if (process.platform === "linux" && process.arch === "x64") {
        expect(cuda).toContain("ONNXRUNTIME_NODE_INSTALL=cuda12 node node_modules/onnxruntime-node/script/install");
        expect(cuda).toContain("npx rise-ts doctor");
      }
    },
  );

  it.skipIf(cuda !== undefined)("with CUDA is CUDA by default", async () => {
    expect(await placeOn("auto")).toMatchObject({ provider: "cuda" });
  });
});

describe("trying a provider", () => {
  it("finds nothing wrong with the CPU", async () => {
    expect(await tryProvider("cpu", runtimePath())).toBeUndefined();
  });

  it("survives a library that aborts the process, and says so", async () => {
    expect(await tryProvider("cuda", await runtime("process.abort()"))).toBe(
      "cuda ended the process that tried it with SIGABRT",
    );
  });

  it("says so when there is no process to be had", async () => {
    const { execPath } = process;
    process.execPath = join(scratch, "no-node");
    try {
      expect(await tryProvider("cpu", runtimePath())).toContain("ENOENT");
    } finally {
      process.execPath = execPath;
    }
  });

  it("repeats what onnxruntime says", async () => {
    const refusing = `
      exports.Tensor = class {};
      exports.InferenceSession = { create: async () => { throw new Error("no device\\n\\n"); } };
      console.error("a warning of some library");`;
    expect(await tryProvider("webgpu", await runtime(refusing))).toBe("onnxruntime cannot use webgpu: no device");
  });

  it("notices a wrong product", async () => {
    const wrong = `
      exports.Tensor = class {};
      exports.InferenceSession = { create: async () => ({ run: async () => ({ y: { data: [0, 0, 0, 0] } }) }) };`;
    expect(await tryProvider("cuda", await runtime(wrong))).toBe("cuda computed 0,0,0,0 for 7,10,15,22");
  });
});

describe("the speed of a provider", () => {
  it("counts matrix products that come out right", async () => {
    const speed = await gemmSpeed("cpu", 1);
    expect(speed).toBeGreaterThan(0);
    expect(speed).toBeLessThan(1e6);
  });
});

describe.runIf(process.platform === "linux")("the libraries of CUDA", () => {
  it("begin with onnxruntime's own", async () => {
    const names = (await cudaLibraries()).map(({ name }) => name);
    expect(names.slice(0, 2)).toEqual(["libonnxruntime_providers_shared.so", "libonnxruntime_providers_cuda.so"]);
    if (cuda === undefined) expect(names).toContain("libcuda.so.1");
  });

  it("are those that a library was linked with, found or not", async () => {
    const binding = join(await mkdtemp(join(scratch, "libraries-")), "binding.node");
    await copyFile(join(nativeFolder(), "onnxruntime_binding.node"), binding);
    const paths = new Map((await neededLibraries(binding)).map(({ name, path }) => [name, path]));
    // It looks for this one beside itself.
    expect(paths.has("libonnxruntime.so.1")).toBe(true);
    expect(paths.get("libonnxruntime.so.1")).toBeUndefined();
    expect(paths.get("libc.so.6")).toMatch(/^\/.*libc\.so\.6$/);
    expect(await neededLibraries(join(scratch, "nothing.so"))).toEqual([]);
  });
});

describe("a provider that is not there", () => {
  it.skipIf(cuda === undefined)("is an error of this library when a session asks for it", async () => {
    const g = createGraph();
    const creating = createSession(g, { y: g.constant([1]) }, { provider: "cuda" });
    await expect(creating).rejects.toThrow(BackendError);
    await expect(creating).rejects.toThrow("on cuda");
  });
});
