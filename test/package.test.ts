import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { isBuiltin } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { type BuildOptions, build } from "esbuild";
import { afterAll, describe, expect, it } from "vitest";
import { jpeg } from "./datasets/temporary";
import { checkpointDir } from "./models/reference";

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
    .then(async (backend) => {
      const prompt = [{ role: "user", content: [{ type: "text", text: "a" }] }];
      const [[completion]] = await backend.generate([prompt], { maxTokens: 1, seed: 0 });
      console.log(completion.tokenIds.length);
      await backend.dispose();
    });`;

  it.each([
    ["CommonJS", "commonjs", `const { onnxBackend } = require("./backends/onnx.cjs");${opens}`],
    ["ES modules", "module", `import { onnxBackend } from "./backends/onnx.js";${opens}`],
  ])("opens a model and writes a token from %s, on whatever device there is", async (_, type, script) => {
    const { stdout } = await run(process.execPath, [`--input-type=${type}`, "-e", script], { cwd: built });
    expect(stdout).toBe("1\n");
  });

  it.each([
    ["CommonJS", "commonjs", (name: string) => `require("./datasets/${name}.cjs")`],
    ["ES modules", "module", (name: string) => `await import("./datasets/${name}.js")`],
  ])("reads data sets from %s, through packages that are ES modules alone", async (_, type, load) => {
    const parquet = join(root, "test", "datasets", "fixtures", "hub.parquet");
    const [table, coco] = [join(built, "table.csv"), join(built, "instances.json")];
    await writeFile(table, "image,joy,sadness\ntable.csv,1,0\n");
    const box = { id: 1, image_id: 1, category_id: 1, bbox: [0, 0, 2, 1] };
    const image = { id: 1, file_name: "image.jpg", width: 2, height: 2 };
    await writeFile(join(built, image.file_name), await jpeg(2, 2));
    await writeFile(
      coco,
      JSON.stringify({ images: [image], annotations: [box], categories: [{ id: 1, name: "dog" }] }),
    );
    const script = `const [{ parquetLabels }, { csvDataset }, { cocoDataset }] = [${["parquet", "csv", "coco"].map(load)}];
      Promise.all([
        parquetLabels(${JSON.stringify(parquet)}, "label"),
        csvDataset(${JSON.stringify(table)}, ["joy", "sadness"]),
        cocoDataset(${JSON.stringify(coco)}, ${JSON.stringify(built)}),
      ]).then(([labels, [row], [boxes]]) => console.log(labels[0], row.annotation.joy, boxes.subject));`;
    const { stdout } = await run(process.execPath, [`--input-type=${type}`, "-e", script], { cwd: built });
    expect(stdout).toBe("cat 1 dog\n");
  });

  it("has its command under two names, of which the first is its own", async () => {
    const { bin, version } = await manifest();
    expect(Object.keys(bin)).toEqual(["rise-ts", "rise"]);
    expect(bin.rise).toBe(bin["rise-ts"]);
    const command = join(built, bin.rise.replace(/^dist\//, ""));
    expect((await readFile(command, "utf8")).startsWith("#!/usr/bin/env node\n")).toBe(true);
    expect((await run(process.execPath, [command, "--version"])).stdout).toBe(`${version}\n`);
    await expect(run(process.execPath, [command, "docter"])).rejects.toMatchObject({ code: 2 });
  });

  it("tells a maintainer's places in package.json, and takes ranges of every dependency but one", async () => {
    const { repository, homepage, bugs, author, keywords, ...all } = await manifest();
    for (const place of [repository.url, homepage, bugs]) expect(place).toContain(`github.com/${author}/rise-ts`);
    expect(keywords.length).toBeGreaterThan(5);
    const dependencies = { ...all.dependencies, ...all.optionalDependencies };
    const pinned = Object.entries<string>(dependencies).filter(([, version]) => !version.startsWith("^"));
    expect(pinned.map(([name]) => name)).toEqual(["onnxruntime-node"]);
  });

  it("knows an error of its other format", async () => {
    const script = `import { createRequire } from "node:module";
      import { DataError, RiseError } from "./errors.js";
      const other = createRequire(import.meta.url)("./errors.cjs");
      const error = new other.ConfigError("x");
      console.log(other.RiseError === RiseError, error instanceof RiseError, error instanceof DataError);`;
    const { stdout } = await run(process.execPath, ["--input-type=module", "-e", script], { cwd: built });
    expect(stdout).toBe("false true false\n");
  });

  it("reads no package when the root is imported", async () => {
    expect(await packagesOf(join(built, "index.js"))).toEqual([]);
    expect(await packagesOf(join(built, "datasets", "coco.js"))).toEqual([]);
    expect(await packagesOf(join(built, "cli", "main.js"))).not.toEqual([]);
  });

  it("loads the root from few files", async () => {
    const files = new Set<string>();
    await packagesOf(join(built, "index.js"), files);
    expect(files.size).toBeLessThan(25);
  });

  it.each([
    ["checks", 50],
    ["reward", 90],
    ["similarity", 200],
    ["grpo", 140],
    ["metrics", 210],
    ["prompts", 110],
  ])("bundles rise-ts/%s for a browser into %i kB at most", async (entry, kilobytes) => {
    const { outputFiles } = await bundle(`export * from "./${entry}.js"`, { platform: "browser", minify: true });
    expect(outputFiles[0]!.contents.length).toBeLessThan(kilobytes * 1000);
  });

  it("bundles findLeaks, which then finds leaks where there is no Node", async () => {
    const { outputFiles } = await bundle('export { findLeaks } from "./checks.js"', {
      platform: "browser",
      minify: true,
    });
    const file = join(built, "browser.mjs");
    await writeFile(file, outputFiles[0]!.contents);
    const script = `delete globalThis.process; delete globalThis.Buffer;
      import(${JSON.stringify(pathToFileURL(file).href)}).then(({ findLeaks }) => console.log(findLeaks("80 % joy")[0].text));`;
    expect((await run(process.execPath, ["-e", script])).stdout).toBe("80 %\n");
  });

  it("finds native packages from the working folder when it is bundled elsewhere, or says how to leave it out", async () => {
    const elsewhere = await mkdtemp(join(tmpdir(), "rise-bundle-"));
    const content =
      'import { onnxBackend } from "./backends/onnx.js"; onnxBackend({ model: process.argv[2], device: "cpu" })\n' +
      '  .then((backend) => backend.dispose()).then(() => console.log("opened"), (error) => console.log(error.message));';
    const external = ["sharp", "onnxruntime-node", "@huggingface/*"];
    const { outputFiles } = await bundle(content, { platform: "node", external });
    const file = join(elsewhere, "app.mjs");
    await writeFile(file, outputFiles[0]!.contents);
    const open = (cwd: string) => run(process.execPath, [file, checkpointDir], { cwd });
    expect((await open(root)).stdout).toBe("opened\n");
    const message = /^(\S+): expected an installed package, got none .*docs\/using\.md/;
    expect((await open(elsewhere)).stdout).toMatch(message);
    // A bundler that copies what is imported leaves out what is built in: npm installs nothing into such a copy.
    const copy = join(elsewhere, "node_modules", "rise-ts");
    await mkdir(copy, { recursive: true });
    await writeFile(join(copy, "package.json"), JSON.stringify(await manifest()));
    const { stdout, stderr } = await open(elsewhere);
    expect([message.exec(stdout)?.[1], stderr]).toEqual(["@huggingface/transformers", ""]);
    await rm(elsewhere, { recursive: true });
  });
});

const manifest = async () => JSON.parse(await readFile(join(root, "package.json"), "utf8"));

const bundle = (contents: string, options: BuildOptions) =>
  build({
    ...options,
    stdin: { contents, resolveDir: built },
    bundle: true,
    format: "esm",
    write: false,
    logLevel: "error",
  });

/** Packages that a built module imports at once, by itself or by what it imports; `seen` gets the files of both. */
async function packagesOf(file: string, seen = new Set<string>()): Promise<readonly string[]> {
  if (seen.has(file)) return [];
  seen.add(file);
  const imported = [...(await readFile(file, "utf8")).matchAll(/^(?:import|export|\}).*?"([^"]+)";$/gm)].map(
    ([, name]) => name!,
  );
  const own = imported.filter((name) => name.startsWith("."));
  const others = imported.filter((name) => !name.startsWith(".") && !isBuiltin(name));
  const inner = await Promise.all(own.map((name) => packagesOf(join(dirname(file), name), seen)));
  return [...new Set([...others, ...inner.flat()])];
}
