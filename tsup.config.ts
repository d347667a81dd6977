import { defineConfig } from "tsup";

export default defineConfig({
  entry: [
    "src/index.ts",
    "src/{backends,trainers,datasets}/*.ts",
    "src/{onnx,optim,report,testing}/index.ts",
    "src/models/*/index.ts",
  ],
  format: ["esm", "cjs"],
  dts: true,
  // Shared chunks in both formats, so that an error class is one class whichever entry it came through.
  splitting: true,
  target: "node20",
  clean: true,
});
