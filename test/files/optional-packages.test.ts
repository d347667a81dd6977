import { existsSync } from "node:fs";
import { chmod, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { cachedPackages } from "../../src/files/optional-packages";
import { temporaryFolder } from "../datasets/temporary";

const dependencies = { "onnxruntime-node": "1.2.3", "@huggingface/transformers": "^4.5.6" };

/** Stands in for npm: writes down how it was called, and what it found; then acts. */
const standIn = (act: string) => `#!/usr/bin/env node
const { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } = require("node:fs");
const read = (name) => (existsSync(name) ? readFileSync(name, "utf8") : undefined);
const call = { args: process.argv.slice(2), cwd: process.cwd(), manifest: JSON.parse(read("package.json")), settings: read(".npmrc"), global: process.env.npm_config_global };
appendFileSync(process.env.CALLS, JSON.stringify(call) + "\\n");
mkdirSync("node_modules/onnxruntime-node", { recursive: true });
writeFileSync("node_modules/onnxruntime-node/index.js", "");
${act}`;

describe.skipIf(process.platform === "win32")("packages that npm left out", () => {
  let folder: string;
  let cache: string;
  let said: string;

  beforeEach(async () => {
    folder = await temporaryFolder();
    cache = join(folder, "cache");
    said = "";
    await mkdir(join(folder, "project"));
    vi.spyOn(process, "cwd").mockReturnValue(join(folder, "project"));
    vi.spyOn(process.stderr, "write").mockImplementation((text) => {
      said += text;
      return true;
    });
    vi.stubEnv("PATH", `${join(folder, "bin")}${delimiter}${process.env.PATH}`);
    vi.stubEnv("CALLS", join(folder, "calls.jsonl"));
  });

  afterEach(async () => {
    vi.restoreAllMocks();
    vi.unstubAllEnvs();
    await rm(folder, { recursive: true });
  });

  async function npm(act = ""): Promise<void> {
    await mkdir(join(folder, "bin"), { recursive: true });
    await writeFile(join(folder, "bin", "npm"), standIn(act));
    await chmod(join(folder, "bin", "npm"), 0o755);
  }

  const calls = async () =>
    (await readFile(join(folder, "calls.jsonl"), "utf8"))
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));

  it("are installed once, without scripts, and said", async () => {
    await npm();
    const found = cachedPackages(dependencies, cache);
    expect(cachedPackages(dependencies, cache)).toBe(found);
    expect(existsSync(join(found, "node_modules/onnxruntime-node/index.js"))).toBe(true);
    const [call, ...more] = await calls();
    expect(more).toEqual([]);
    expect(call.args).toEqual(expect.arrayContaining(["install", "--ignore-scripts"]));
    expect(call.manifest).toEqual({ private: true, dependencies });
    expect(said).toMatch(/installs onnxruntime-node@1\.2\.3 and @huggingface\/transformers@\^4\.5\.6 without scripts/);
    expect(await readdir(cache)).toHaveLength(1);
  });

  it("come from the project's registry, whose token the cache does not keep", async () => {
    await npm();
    await writeFile(
      join(folder, "project", ".npmrc"),
      "registry=https://npm.example/\n//npm.example/:_authToken=secret\n",
    );
    const found = cachedPackages(dependencies, cache);
    expect((await calls())[0].settings).toContain("registry=https://npm.example/");
    expect(await readdir(found)).not.toContain(".npmrc");
  });

  it("do not go where a program that npx runs would install", async () => {
    await npm();
    vi.stubEnv("npm_config_global", "true");
    cachedPackages(dependencies, cache);
    expect((await calls())[0].global).toBeUndefined();
  });

  it("lie apart by version", async () => {
    await npm();
    const newer = { ...dependencies, "onnxruntime-node": "1.2.4" };
    expect(cachedPackages(newer, cache)).not.toBe(cachedPackages(dependencies, cache));
  });

  it("that npm cannot install give its own words on one line and the command, and leave nothing", async () => {
    await npm(
      'console.error("npm error code ENOTFOUND\\nnpm error\\nnpm error no registry.example"); process.exit(1);',
    );
    const install = () => cachedPackages(dependencies, cache);
    expect(install).toThrow(/expected installed packages, got none.*: code ENOTFOUND, no registry\.example; run/);
    expect(install).toThrow(
      /run npm install --ignore-scripts onnxruntime-node@1\.2\.3 @huggingface\/transformers@\^4\.5\.6$/,
    );
    expect(await readdir(cache)).toEqual([]);
  });

  it("that another process installs meanwhile are taken from there", async () => {
    await npm(
      'const final = process.cwd().replace(/\\.\\d+\\.partial$/, ""); mkdirSync(final); writeFileSync(final + "/theirs", "");',
    );
    const found = cachedPackages(dependencies, cache);
    expect(await readdir(found)).toEqual(["theirs"]);
    expect(await readdir(cache)).toHaveLength(1);
  });

  it("that a dead process left unfinished are removed", async () => {
    await npm();
    const found = cachedPackages(dependencies, cache);
    await rm(found, { recursive: true });
    const dead = 2 ** 22 + 1;
    await mkdir(`${found}.${dead}.partial`);
    await mkdir(`${found}.${process.pid}0.other`);
    cachedPackages(dependencies, cache);
    expect((await readdir(cache)).filter((name) => name.endsWith(".partial"))).toEqual([]);
    expect(await readdir(cache)).toHaveLength(2);
  });
});
