/**
 * The recorded figures of transformers and PEFT against a device: npx tsx test/cuda/parity.ts float32|TF32|half [DEVICE]. In float32 the tolerances are the CPU's.
 * TF32 rounds the factors of products to 11 significant bits, a relative error of 5e-4 each where float32 has 6e-8, and bfloat16 those of frozen layers, and their
 * results, to 8: log-probs may be 1e-2 away, gradients 1e-1, and greedy tokens are not compared.
 */
import { fileURLToPath } from "node:url";
import { type Device, placeOn } from "../../src/onnx/runtime/device";
import { compareShape } from "../reference/shapes/compare";

const [, , precision = "float32", device = "cuda"] = process.argv;
const recorded = fileURLToPath(new URL("../reference/data/shapes/untied", import.meta.url));
const placement = await placeOn(device as Device);
const comparisons = await compareShape(recorded, `${recorded}/images`, placement, precision === "half");
/** How much further off than float32 a precision may be. */
const slack = precision === "float32" ? 1 : 100;
for (const { what, difference, tolerance, where } of comparisons) {
  if (slack > 1 && what.includes("greedy")) continue;
  // Other weights are all trained there, and so in float32.
  if (precision === "half" && !what.includes("LoRA")) continue;
  const ok = difference <= slack * tolerance!;
  if (!ok) process.exitCode = 1;
  const far = `${difference.toExponential(1)} of ${(slack * tolerance!).toExponential(0)}`;
  console.log(
    `${ok ? "ok  " : "FAIL"}  ${device}, ${precision}: ${what.padEnd(48)} ${far}${ok ? "" : `  at ${where}`}`,
  );
}
