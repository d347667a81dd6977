import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, describe, expect, it } from "vitest";
import { checkpointDir } from "./models/qwen2-vl/reference";

const run = promisify(execFile);
const root = fileURLToPath(new URL("..", import.meta.url));
const tsup = join(root, "node_modules", "tsup", "dist", "cli-default.js");
// Inside the package, so that what is built finds its package.json.
await mkdir(join(root, "dist"), { recursive: true });
const built = await mkdtemp(join(root, "dist", "test-"));
await run(process.execPath, [tsup, "--no-dts", "--no-clean", "--silent", "--out-dir", built], { cwd: root });
afterAll(() => rm(built, { recursive: true }));

describe("the built package", () => {
  const opens = `onnxBackend({ model: ${JSON.stringify(checkpointDir)} })
    .then(async (backend) => { console.log(backend.capabilities.logProbs); await backend.dispose(); });`;

  it.each([
    ["CommonJS", "commonjs", `const { onnxBackend } = require("./backends/onnx.cjs");${opens}`],
    ["ES modules", "module", `import { onnxBackend } from "./backends/onnx.js";${opens}`],
  ])("opens a model from %s, on whatever device there is", async (_, type, script) => {
    const { stdout } = await run(process.execPath, [`--input-type=${type}`, "-e", script], { cwd: built });
    expect(stdout).toBe("true\n");
  });

  it("has a command that runs", async () => {
    const { bin, version } = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
    const command = join(built, bin.rise.replace(/^dist\//, ""));
    expect((await readFile(command, "utf8")).startsWith("#!/usr/bin/env node\n")).toBe(true);
    expect((await run(process.execPath, [command, "--version"])).stdout).toBe(`${version}\n`);
    await expect(run(process.execPath, [command, "docter"])).rejects.toMatchObject({ code: 1 });
  });
});
