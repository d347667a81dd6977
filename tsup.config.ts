import { readdirSync } from "node:fs";
import { resolve } from "node:path";
import { defineConfig, type Options } from "tsup";

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

/** These load only what they use: docs/using.md promises seven to browsers, and a command starts with little. */
const apart = ["checks", "errors", "grpo", "metrics", "prompts", "reward", "similarity", "types", "cli/main"];

/**
 * Loads the root beside every other entry and every lazy module. A shared chunk holds what the same entries load, so
 * without this the root is 59 files, and opening them takes a quarter of its import (bench/import.ts). Programs that
 * train, sample or read data import the root in any case.
 */
const withRoot: NonNullable<Options["esbuildPlugins"]>[number] = {
  name: "with-root",
  setup(build) {
    const beside = Object.entries(entries).filter(([name]) => name !== "index" && !apart.includes(name));
    const files = new Set(beside.map(([, file]) => resolve(file)));
    build.onResolve({ filter: /^\.|^src\// }, ({ kind, path, resolveDir, namespace }) => {
      const isLazy = kind === "dynamic-import";
      const file = isLazy ? resolve(resolveDir, `${path}.ts`) : resolve(path);
      if (namespace === "with-root" || !(isLazy || (kind === "entry-point" && files.has(file)))) return undefined;
      return { path: file, namespace: "with-root" };
    });
    build.onLoad({ filter: /./, namespace: "with-root" }, ({ path }) => ({
      contents: `import ${JSON.stringify(resolve(entries.index!))};\nexport * from ${JSON.stringify(path)};`,
      resolveDir: resolve("."),
    }));
  },
};

export default defineConfig({
  entry: entries,
  format: ["esm", "cjs"],
  // tsup gives TypeScript a baseUrl, which TypeScript 6 calls deprecated.
  dts: { compilerOptions: { ignoreDeprecations: "6.0" } },
  // Shared chunks in both formats, so that an error class is one class whichever entry it came through.
  splitting: true,
  // CommonJS has no import.meta. ES modules need no stand-in, which would keep bundlers from leaving modules out.
  shims: true,
  esbuildOptions(options, { format }) {
    if (format === "esm") options.inject = [];
    // package.json says that no module acts when it is imported, yet the root is imported for its chunk alone.
    options.logOverride = { "ignored-bare-import": "silent" };
    // Its sources are ES modules, so that only the classes in use are built in: a fifth of its CommonJS file.
    options.alias = { "ml-matrix": "./node_modules/ml-matrix/src/index.js" };
  },
  esbuildPlugins: [withRoot],
  target: "node20",
  // Built in, so that importing the library reads no file that it does not use: zod alone has 100.
  noExternal: ["zod", "ml-matrix", "munkres-js"],
  // Optional dependencies, which tsup would build in.
  external: ["@huggingface/transformers", "onnxruntime-node"],
  clean: true,
});
