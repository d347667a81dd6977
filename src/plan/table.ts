import { type Plan, type PlanOptions, planRun } from "./plan";

/**
 * Plans of 1000 steps for 2B and 7B on a laptop, 1, 8 and 64 GPUs, with two examples a step for each GPU.
 * @example
 * const first = plannedRuns().find(({ plan }) => plan.fits);
 */
export const plannedRuns = (): readonly { readonly options: PlanOptions; readonly plan: Plan }[] =>
  rows.map((row) => {
    const options = { ...row, examplesPerStep: 2 * row.gpus };
    return { options, plan: planRun(options) };
  });

/**
 * The table of `plannedRuns`, with their bottlenecks and every assumption.
 * @example
 * process.stdout.write(planTable());
 */
export function planTable(): string {
  const plans = plannedRuns();
  const lines = plans.map(({ plan }, i) => line(cells(rows[i]!, plan)));
  const assumptions = [...new Set(plans.flatMap(({ plan }) => plan.assumptions))];
  return [
    "1000 steps of stage 1, groups of 8. Estimates: a laptop's from measured constants, GPUs' from datasheets and assumptions.",
    "GB are a GPU's, or the laptop's; seconds are a step's.",
    "",
    line([
      "model",
      "device",
      "trained",
      "sampler",
      "rollouts",
      "GB",
      "sampling",
      "training",
      "other",
      "hours",
      "GPU-h",
      "next bottleneck",
    ]),
    ...lines,
    "",
    "Assumptions:",
    ...assumptions.map((each) => `  ${each}`),
    "",
  ].join("\n");
}

type Row = Pick<PlanOptions, "model" | "device" | "lora" | "sampler"> & { readonly gpus: number };

const rows: readonly Row[] = (["2B", "7B"] as const).flatMap((model): Row[] => [
  { model, device: "laptop", gpus: 1 },
  ...([1, 8, 64] as const).flatMap((gpus): Row[] => [
    ...(["transformers", "vllm"] as const).map((sampler): Row => ({ model, device: "h100", gpus, sampler })),
    { model, device: "h100", gpus, lora: false },
  ]),
]);

function cells({ model, device, gpus, lora = true, sampler }: Row, plan: Plan): readonly string[] {
  const { sampling, training, exchange } = plan.secondsPerStep;
  const { total } = plan.memory;
  return [
    model,
    device === "laptop" ? device : `${gpus} × ${device}`,
    lora ? "LoRA" : `all${plan.isSharded ? ", sharded" : ""}`,
    sampler ?? (device === "laptop" ? "onnx" : "transformers"),
    String(16 * gpus),
    (total / 1e9).toFixed(0),
    seconds(sampling),
    seconds(training),
    seconds(exchange),
    rounded(plan.seconds / 3600),
    plan.gpuHours === 0 ? "–" : rounded(plan.gpuHours),
    plan.bottleneck,
  ];
}

const seconds = (value: number) => (value < 0.005 ? "–" : `${rounded(value)} s`);
const rounded = (value: number) => String(Number(value.toPrecision(2)));

const widths = [6, 11, 13, 13, 9, 5, 9, 9, 8, 7, 7];
const line = (cells: readonly string[]) =>
  cells
    .map((cell, i) => cell.padEnd(widths[i] ?? 0))
    .join(" ")
    .trimEnd();
