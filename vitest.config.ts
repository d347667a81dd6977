import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const source = (path: string) => fileURLToPath(new URL(`./src/${path}`, import.meta.url));

export default defineConfig({
  resolve: {
    alias: [
      { find: /^rise-ts$/, replacement: source("index.ts") },
      { find: /^rise-ts\/types$/, replacement: source("public-types.ts") },
      {
        find: /^rise-ts\/(annotation|checks|config|cots|export|grpo|metrics|models\/.+|onnx|optim|plan|prompts|publish|report|reward|reward-server|similarity|testing|trackers)$/,
        replacement: source("$1/index.ts"),
      },
      { find: /^rise-ts\/(.+)$/, replacement: source("$1.ts") },
    ],
  },
  // One fork at a time: every ONNX session already uses all cores.
  test: {
    include: ["test/**/*.test.ts"],
    pool: "forks",
    maxWorkers: 2,
    // Limits find what hangs; a busy machine must not decide a test.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    // Runs and evaluations would print their progress.
    env: { RISE_LOG: "off" },
  },
});
