import { readdirSync } from "node:fs";
import { defineConfig } from "tsup";

const folders = [
  "annotation",
  "checks",
  "config",
  "cots",
  "export",
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
    // What a trainer's options are is exported beside the trainer.
    .filter((file) => file.endsWith(".ts") && !file.endsWith("-options.ts"))
    .map((file) => `${folder}/${file.slice(0, -3)}`);

/** `rise-ts/<name>` is built from this file. */
export const entries: Readonly<Record<string, string>> = {
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
  // CommonJS has no import.meta. ES modules need no stand-in, which would keep bundlers from leaving modules out.
  shims: true,
  esbuildOptions(options, { format }) {
    if (format === "esm") options.inject = [];
    // Its sources are ES modules, so that only the classes in use are built in: a fifth of its CommonJS file.
    options.alias = { "ml-matrix": "./node_modules/ml-matrix/src/index.js" };
  },
  target: "node20",
  // Built in, so that importing the library reads no file that it does not use: zod alone has 100.
  noExternal: ["zod", "ml-matrix", "munkres-js"],
  clean: true,
});
