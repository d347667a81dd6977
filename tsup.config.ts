import { readdirSync } from "node:fs";
import { defineConfig } from "tsup";

const folders = [
  "checks",
  "cots",
  "grpo",
  "metrics",
  "onnx",
  "optim",
  "plan",
  "prompts",
  "publish",
  "report",
  "reward",
  "reward-server",
  "similarity",
  "testing",
  "trackers",
];
const filesIn = (folder: string) =>
  readdirSync(`src/${folder}`)
    .filter((file) => file.endsWith(".ts"))
    .map((file) => `${folder}/${file.slice(0, -3)}`);

/** `rise-ts/<name>` is built from this file. */
const entries: Readonly<Record<string, string>> = {
  index: "src/index.ts",
  errors: "src/errors.ts",
  types: "src/public-types.ts",
  "cli/main": "src/cli/main.ts",
  "models/qwen2-vl": "src/models/qwen2-vl/index.ts",
  ...Object.fromEntries(folders.map((folder) => [folder, `src/${folder}/index.ts`])),
  ...Object.fromEntries(["backends", "trainers", "datasets"].flatMap(filesIn).map((name) => [name, `src/${name}.ts`])),
};

export default defineConfig({
  entry: entries,
  format: ["esm", "cjs"],
  dts: true,
  // Shared chunks in both formats, so that an error class is one class whichever entry it came through.
  splitting: true,
  // CommonJS has no import.meta.
  shims: true,
  target: "node20",
  clean: true,
});
