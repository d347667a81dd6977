import { ConfigError } from "../errors";
import type { Precision } from "../models/checkpoint/quantize";
import type { Checkpoint } from "../models/checkpoint/weights";
import type { Placement } from "../onnx/runtime/session";

/**
 * Checks a precision before a model is opened.
 * @param option the user's name for it
 * @throws ConfigError for a precision that the device cannot compute in
 */
export function checkPrecision(option: string, precision: Precision, { provider = "cpu" }: Placement): void {
  const asked = `${option} ${JSON.stringify(precision)}`;
  if (precision === "half" && provider === "cpu") throw new ConfigError(`${asked} is for a GPU, got device "cpu"`);
  if ((precision === "int8" || precision === "int4") && provider !== "cpu")
    throw new ConfigError(`${asked} is for device "cpu", got "${provider}"`);
}

/**
 * Whether products are computed in half precision.
 * @throws ConfigError for "half" without weights stored in half precision
 */
export function inHalf({ dir, tensors }: Checkpoint, precision: Precision): boolean {
  if (precision !== "half") return false;
  if ([...tensors.values()].every(({ dtype }) => dtype === "F32"))
    throw new ConfigError(`precision "half": expected weights in bfloat16 or float16, and all of ${dir} are float32`);
  return true;
}
