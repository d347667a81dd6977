/**
 * Claim: exporting takes memory for a piece of one tensor, whatever the model's size, and no file is larger than a browser can load. A checkpoint
 * of Qwen2-VL-2B's shape with random weights in bfloat16 is exported, and what comes out writes four tokens in Node.
 *
 *   npx tsx bench/export-size.ts [PRECISION …]          int8 int4: some minutes, 9 GB of disk, 6 GB of memory
 */
import { execFileSync } from "node:child_process";
import { copyFile, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { transformersJsBackend } from "../src/backends/transformers-js";
import { expectedTensors } from "../src/models/checkpoint/recorded";
import { qwen2VlArchitecture } from "../src/models/families/qwen2-vl/family";
import { fromFloat32, type RawTensor, writeRawSafetensors } from "../src/models/files/safetensors";
import { createRng } from "../src/rng";
import { picturePrompt, twoBillion } from "./two-billion-model";

const asked = process.argv.slice(2);
const precisions = asked.length > 0 ? asked : ["int8", "int4"];
const root = fileURLToPath(new URL("..", import.meta.url));
const tiny = join(root, "examples/tiny-vlm/checkpoint");
const scratch = await mkdtemp(join(tmpdir(), "rise-export-size-"));

try {
  const model = join(scratch, "model");
  await writeModel(model);
  for (const precision of precisions) {
    const dir = join(scratch, precision);
    // Another process, whose peak is its own.
    const script = `const { exportTransformersJs } = await import("./src/export/index.ts");
      const before = process.resourceUsage().maxRSS;
      const started = performance.now();
      const { files, bytes } = await exportTransformersJs(${JSON.stringify(model)}, ${JSON.stringify(dir)}, { precision: "${precision}" });
      const { maxRSS, userCPUTime } = process.resourceUsage();
      console.log(JSON.stringify({ files, bytes, peak: maxRSS, before, cpu: userCPUTime / 1e6 }));`;
    const output = execFileSync(process.execPath, ["--import", "tsx", "--input-type=module", "-e", script], {
      cwd: root,
    });
    const { files, bytes, peak, before, cpu } = JSON.parse(output.toString());
    const gigabytes = (size: number) => `${(size / 1e9).toFixed(3)} GB`;
    console.log(
      `${precision}: ${gigabytes(bytes)}; peak ${gigabytes(peak * 1024)}, ${gigabytes(before * 1024)} before; ${cpu.toFixed(0)} s of processor time`,
    );
    for (const [file, size] of Object.entries(files as Record<string, number>))
      if (size > 1e6) console.log(`  ${file.padEnd(50)}${gigabytes(size)}`);
    if (precision === "int4") {
      const backend = await transformersJsBackend({ model: dir, device: "cpu" });
      const [[written]] = (await backend.generate([picturePrompt()], { maxTokens: 4, temperature: 0, seed: 0 })) as [
        [object],
      ];
      console.log(`  loaded in Node, and wrote ${JSON.stringify(written)}`);
      await backend.dispose();
    }
    await rm(dir, { recursive: true });
  }
} finally {
  await rm(scratch, { recursive: true });
}

/** Random numbers that repeat after a while: drawing two billion takes longer than everything else. */
async function writeModel(dir: string): Promise<void> {
  const architecture = qwen2VlArchitecture(await twoBillion());
  const rng = createRng(0, "two billion weights");
  const block = fromFloat32(
    Float32Array.from({ length: 2 ** 20 + 1 }, () => 0.02 * rng.normal()),
    "BF16",
  );
  await mkdir(dir);
  const tensors = new Map<string, RawTensor>();
  for (const [name, shape] of expectedTensors(architecture)) {
    const bytes = shape.reduce((a, b) => a * b, 2);
    const pieces = async function* () {
      for (let done = 0; done < bytes; done += block.length)
        yield block.subarray(0, Math.min(block.length, bytes - done));
    };
    tensors.set(architecture.storedName(name), { dtype: "BF16", shape, bytes, pieces });
  }
  await writeRawSafetensors(join(dir, "model.safetensors"), tensors);
  await writeFile(join(dir, "config.json"), JSON.stringify(architecture.configJson()));
  for (const file of ["tokenizer.json", "tokenizer_config.json", "preprocessor_config.json", "generation_config.json"])
    await copyFile(join(tiny, file), join(dir, file));
}
