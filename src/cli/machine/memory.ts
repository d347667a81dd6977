import { foresee, memoryLimit } from "../../engine/memory/estimate";
import { imaginedPolicy, imaginedRounding } from "../../engine/memory/shape-only-policy";
import type { ReducedPrecision } from "../../models/checkpoint/quantize";
import { expectedTensors } from "../../models/checkpoint/recorded";
import { loadArchitecture } from "../../models/families";
import { loadImageProcessor } from "../../models/inputs/image-processor";
import { mergedTokens } from "../../models/parts/config";
import type { MemoryEstimate } from "../../types";
import type { Command, Outcome } from "../frame/command";
import { settingsFolder, storedDtype } from "./model-settings";

/** Says what a model takes: sampling, LoRA and full training. */
export const memory: Command = {
  operands: [{ name: "MODEL", help: "a Hugging Face directory, or a hub id, of which the settings alone are loaded" }],
  run: ({ operands }) => foreseeAll(operands[0]!),
};

const columns = ["weights", "optimizer", "activations", "logits", "runtime", "total"] as const;

/** @throws RiseError as opening the model does */
async function foreseeAll(model: string): Promise<Outcome> {
  const dir = await settingsFolder(model);
  const architecture = await loadArchitecture(dir);
  const { config } = architecture;
  const dtype = await storedDtype(dir);
  const grid = (await loadImageProcessor(dir, architecture)).gridOf(image);
  const tokens = mergedTokens(grid, config) + textTokens;
  const sizes = [...expectedTensors(architecture).values()].map((shape) => shape.reduce((a, b) => a * b, 1));
  const weights = sizes.reduce((a, b) => a + b, 0);
  const { patchSize } = config.vision;
  const estimates = settings.map(({ name, trained, count, rowsAtOnce, gradientCheckpointing, precision }) => {
    const policy = imaginedPolicy(architecture, trained, dtype);
    const sampled = precision ? imaginedRounding(policy, precision) : policy;
    const estimate: MemoryEstimate = foresee(
      policy,
      { prompts: 1, count, maxTokens },
      { tokens, grids: [grid] },
      { sampled, sampledAtOnce: count, ...(rowsAtOnce !== undefined && { rowsAtOnce }), gradientCheckpointing },
    );
    return { name, bytes: estimate };
  });
  const row = (name: string, cells: readonly string[]) =>
    `${name.padEnd(46)}${cells.map((c) => c.padStart(13)).join("")}`;
  const text = [
    `${model}: ${(weights / 1e6).toFixed(1)} million weights in ${dtype}; ${gigabytes(memoryLimit())} GB of memory here`,
    `Prompts of ${tokens} tokens with an image of ${grid[2] * patchSize} × ${grid[1] * patchSize} pixels, ${maxTokens} tokens after them. In GB:\n`,
    row("", columns),
    ...estimates.map(({ name, bytes }) =>
      row(
        name,
        columns.map((column) => gigabytes(bytes[column])),
      ),
    ),
    "\nEstimates: leave room. Steps sample 8 completions of one prompt and learn from them.",
  ].join("\n");
  return { result: { model, weights, dtype, promptTokens: tokens, estimates }, text };
}

/** Size of the paper's largest images, if the model's own limit allows it. */
const image = { width: 896, height: 448 };
const textTokens = 64;
const maxTokens = 256;

const lora = { rank: 16 };
const settings = [
  { name: "sampling, 1 completion", trained: "nothing", count: 1 },
  { name: "sampling, 8 completions of 1 prompt", trained: "nothing", count: 8 },
  ...(["int8", "int4"] as const).map((precision) => ({
    name: `sampling, 8 completions of 1 prompt, ${precision}`,
    trained: "nothing" as const,
    count: 8,
    precision,
  })),
  ...([1, 8] as const).flatMap((rowsAtOnce) =>
    ([lora, "everything"] as const).flatMap((trained) =>
      [false, true].map((gradientCheckpointing) => ({
        name:
          `${trained === lora ? "LoRA, rank 16" : "all weights"}, ${rowsAtOnce} at once` +
          (gradientCheckpointing ? ", checkpointing" : ""),
        trained,
        count: 8,
        rowsAtOnce,
        gradientCheckpointing,
      })),
    ),
  ),
] as readonly {
  readonly name: string;
  readonly trained: Parameters<typeof imaginedPolicy>[1];
  readonly count: number;
  readonly rowsAtOnce?: number;
  readonly gradientCheckpointing?: boolean;
  readonly precision?: ReducedPrecision;
}[];

const gigabytes = (bytes: number): string => (bytes / 1e9).toFixed(bytes < 1e9 ? 2 : 1);
