import { defineConfig } from "tsup";

export default defineConfig({
  entry: [
    "src/index.ts",
    "src/{backends,trainers,datasets}/*.ts",
    "src/{onnx,optim,report,testing}/index.ts",
    "src/models/*/index.ts",
    "src/cli/main.ts",
  ],
  format: ["esm", "cjs"],
  dts: true,
  // Shared chunks in both formats, so that an error class is one class whichever entry it came through.
  splitting: true,
  // CommonJS has no import.meta.
  shims: true,
  target: "node20",
  clean: true,
});
