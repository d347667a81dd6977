import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
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
    .then(async (backend) => { console.log(backend.capabilities.logProbs); await backend.dispose(); });`;

  it.each([
    ["CommonJS", "commonjs", `const { onnxBackend } = require("./backends/onnx.cjs");${opens}`],
    ["ES modules", "module", `import { onnxBackend } from "./backends/onnx.js";${opens}`],
  ])("opens a model from %s, on whatever device there is", async (_, type, script) => {
    const { stdout } = await run(process.execPath, [`--input-type=${type}`, "-e", script], { cwd: built });
    expect(stdout).toBe("true\n");
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

  it("has a command that runs", async () => {
    const { bin, version } = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
    const command = join(built, bin.rise.replace(/^dist\//, ""));
    expect((await readFile(command, "utf8")).startsWith("#!/usr/bin/env node\n")).toBe(true);
    expect((await run(process.execPath, [command, "--version"])).stdout).toBe(`${version}\n`);
    await expect(run(process.execPath, [command, "docter"])).rejects.toMatchObject({ code: 1 });
  });
});
