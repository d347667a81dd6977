import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { VlmBackend } from "../../src/backend";
import { onnxBackend } from "../../src/backends/onnx";
import { transformersJsBackend } from "../../src/backends/transformers-js";
import { exportTransformersJs } from "../../src/export";
import type { Prompt } from "../../src/types";
import { checkpointDir, imagePath, largestError, promptOf, reference } from "../models/reference";
import { describeBackend } from "./contract";

// Threads cost more than they save in a network this small.
const oneThread = { intraOpNumThreads: 1 };
const folder = await mkdtemp(join(tmpdir(), "rise-transformers-js-"));
const model = join(folder, "model");
await exportTransformersJs(checkpointDir, model, { precision: "float32", maxPixels: 2 ** 30 });
const [exported, original] = await Promise.all([
  transformersJsBackend({ model, device: "cpu", session: oneThread }),
  onnxBackend({ model: checkpointDir, device: "cpu" }),
]);
afterAll(async () => {
  await Promise.all([exported.dispose(), original.dispose()]);
  await rm(folder, { recursive: true });
});

const prompts = reference.cases.map(promptOf);

describeBackend("transformers.js", () => transformersJsBackend({ model, device: "cpu", session: oneThread }), {
  prompts,
  tolerance: 1e-6,
  callsOnPromptEnd: true,
});

describe("an exported model in transformers.js", () => {
  const images = ["square", "wide", "alpha", "fits", "grey", "palette"].map((name) => imagePath(`${name}.png`));
  const asking = (...files: readonly string[]): Prompt => [
    {
      role: "user",
      content: [...files.map((image) => ({ type: "image" as const, image })), { type: "text", text: "What is this?" }],
    },
  ];

  it.each([
    ["greedily", { temperature: 0 }],
    ["at temperature 1", { count: 3 }],
    ["from the nucleus", { count: 3, topP: 0.8 }],
    ["from the likeliest", { count: 3, topK: 20, temperature: 1.3 }],
    ["with a repetition penalty", { count: 2, repetitionPenalty: 1.3, temperature: 0.7 }],
    ["up to a stop text", { temperature: 0, stop: ["a"] }],
  ])("writes what onnxBackend writes, %s, with no image, one, and several of any size", async (_, how) => {
    const many = [...prompts, ...images.map((image) => asking(image)), asking(...images.slice(0, 3)), asking()];
    const options = { maxTokens: 12, seed: 5, ...how };
    const [found, expected] = await both((backend) => backend.generate(many, options));
    for (const [i, group] of expected.entries())
      for (const [k, completion] of group.entries()) {
        const own = found[i]![k]!;
        expect([own.text, own.tokenIds, own.finishReason]).toEqual([
          completion.text,
          completion.tokenIds,
          completion.finishReason,
        ]);
        for (const key of ["logProbs", "samplingLogProbs", "temperedLogProbs"] as const)
          expect(largestError(own[key] ?? [], completion[key] ?? []), key).toBeLessThan(1e-4);
      }
  });
});

const both = <T>(f: (backend: VlmBackend) => Promise<T>): Promise<[T, T]> => Promise.all([f(exported), f(original)]);
