import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { checkPrecision, inHalf } from "../../src/engine/precision";
import { ConfigError } from "../../src/errors";
import type { Precision } from "../../src/models/checkpoint/quantize";
import { openModel } from "../../src/models/open-model";
import { onnxTrainer } from "../../src/trainers/onnx";
import { checkpointDir } from "../models/reference";

const [cpu, cuda] = [{}, { provider: "cuda" }] as const;

describe("a precision", () => {
  it.each<[string, Precision, object, string]>([
    ["precision", "half", cpu, 'precision "half" is for a GPU, got device "cpu"'],
    ["samplerPrecision", "int8", cuda, 'samplerPrecision "int8" is for device "cpu", got "cuda"'],
  ])("%s %s on %j is refused", (option, precision, placement, message) => {
    const check = () => checkPrecision(option, precision, placement);
    expect(check).toThrow(ConfigError);
    expect(check).toThrow(message);
  });

  it("is independent of the precision that the device computes in", () => {
    for (const precision of ["float32", "int8", "int4"] as const) checkPrecision("precision", precision, cpu);
    for (const precision of ["float32", "half"] as const) checkPrecision("precision", precision, cuda);
  });

  it("of half needs weights that are stored in it", async () => {
    const shipped = fileURLToPath(new URL("../../examples/tiny-vlm/checkpoint", import.meta.url));
    const [float16, float32] = await Promise.all([shipped, checkpointDir].map((dir) => openModel(dir)));
    expect(inHalf(float16!.checkpoint, "half")).toBe(true);
    expect(inHalf(float16!.checkpoint, "float32")).toBe(false);
    expect(() => inHalf(float32!.checkpoint, "half")).toThrow(`all of ${float32!.checkpoint.dir} are float32`);
  });

  it("is judged before the model is looked for, and needs lora where it is of frozen weights", async () => {
    const nowhere = { model: "no/where/at/all", device: "cpu" } as const;
    await expect(onnxTrainer({ ...nowhere, lora: { rank: 1 }, precision: "half" })).rejects.toThrow(
      'precision "half" is for a GPU',
    );
    await expect(onnxTrainer({ ...nowhere, precision: "half" })).rejects.toThrow(
      "without lora every weight is trained",
    );
  });
});
