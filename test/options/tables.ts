/**
 * Prints docs/options.md: one table an operation, from the specs that the operations read their options by.
 *
 *   npx tsx test/options/tables.ts > docs/options.md
 */
import { pathToFileURL } from "node:url";
import { z } from "zod";
import { onnxBackendSpec } from "../../src/backends/onnx";
import { openaiBackendSpec } from "../../src/backends/openai";
import { vllmSamplerSpec } from "../../src/backends/vllm";
import { selectHighQualitySpec } from "../../src/cots/select";
import { cocoDatasetSpec } from "../../src/datasets/coco";
import { cocoSubSpec } from "../../src/datasets/coco-sub";
import { conversationDatasetSpec, conversationRowSpec } from "../../src/datasets/conversations";
import { csvDatasetSpec } from "../../src/datasets/csv";
import { emotion6Spec } from "../../src/datasets/emotion6";
import { exportCotsSpec } from "../../src/datasets/export";
import { imageFolderDatasetSpec } from "../../src/datasets/image-folder";
import { imagenetSubSpec } from "../../src/datasets/imagenet-sub";
import { kShotSpec } from "../../src/datasets/k-shot";
import { lisaSpec, reasonSegDatasetSpec } from "../../src/datasets/lisa";
import { parquetDatasetSpec } from "../../src/datasets/parquet";
import { generateSpec } from "../../src/engine/sampling/options";
import { annotateSpec } from "../../src/evaluation/annotate";
import { auditCotsSpec } from "../../src/evaluation/audit-cots";
import { compareEvaluationsSpec } from "../../src/evaluation/compare";
import { evaluateSpec } from "../../src/evaluation/evaluate";
import { grpoAdvantagesSpec } from "../../src/grpo/advantage/advantage-options";
import { gaeAdvantagesSpec } from "../../src/grpo/advantage/gae";
import { grpoLossSpec } from "../../src/grpo/loss/loss-options";
import { resamplingSpec } from "../../src/metrics/bootstrap";
import { meanMetricSpec } from "../../src/metrics/metric";
import { winRateIntervalSpec } from "../../src/metrics/win-rate";
import { adamwSpec } from "../../src/optim/adamw";
import { constantScheduleSpec, decayScheduleSpec } from "../../src/optim/schedule";
import { planRunSpec } from "../../src/plan/plan";
import { rewardServerSpec } from "../../src/reward-server/options";
import { classificationSimilaritySpec } from "../../src/similarity/distribution";
import { similaritySpec } from "../../src/similarity/matching";
import { classificationSpec } from "../../src/tasks/classification";
import { detectionSpec } from "../../src/tasks/detection";
import { segmentationSpec } from "../../src/tasks/segmentation";
import { onnxTrainerSpec } from "../../src/trainers/onnx-options";
import { torchTrainerSpec } from "../../src/trainers/workers/options";

/** Every operation with options, and its spec. */
export const specs: Readonly<Record<string, z.ZodRawShape>> = {
  classification: classificationSpec,
  detection: detectionSpec,
  segmentation: segmentationSpec,
  evaluate: evaluateSpec,
  annotate: annotateSpec,
  auditCots: auditCotsSpec,
  compareEvaluations: compareEvaluationsSpec,
  selectHighQuality: selectHighQualitySpec,
  onnxTrainer: onnxTrainerSpec,
  torchTrainer: torchTrainerSpec,
  onnxBackend: onnxBackendSpec,
  openaiBackend: openaiBackendSpec,
  vllmSampler: vllmSamplerSpec,
  "backend.generate": generateSpec,
  grpoAdvantages: grpoAdvantagesSpec,
  gaeAdvantages: gaeAdvantagesSpec,
  grpoLoss: grpoLossSpec,
  adamw: adamwSpec,
  constantSchedule: constantScheduleSpec,
  "linearSchedule and cosineSchedule": decayScheduleSpec,
  csvDataset: csvDatasetSpec,
  conversationDataset: conversationDatasetSpec,
  conversationRow: conversationRowSpec,
  parquetDataset: parquetDatasetSpec,
  cocoDataset: cocoDatasetSpec,
  imageFolderDataset: imageFolderDatasetSpec,
  reasonSegDataset: reasonSegDatasetSpec,
  emotion6: emotion6Spec,
  imagenetSub: imagenetSubSpec,
  cocoSub: cocoSubSpec,
  lisa: lisaSpec,
  kShot: kShotSpec,
  exportCots: exportCotsSpec,
  rewardServer: rewardServerSpec,
  planRun: planRunSpec,
  "bootstrapInterval and exchangePValue": resamplingSpec,
  winRateInterval: winRateIntervalSpec,
  meanMetric: meanMetricSpec,
  classificationSimilarity: classificationSimilaritySpec,
  "detectionSimilarity and segmentationSimilarity": similaritySpec,
};

interface Row {
  readonly name: string;
  readonly range: string;
  readonly default: string;
  readonly help: string;
}

/** The rows of a spec, those of options within options after them. */
export function rowsOf(spec: z.ZodRawShape, path = ""): readonly Row[] {
  return Object.entries(spec).flatMap(([key, option]) => {
    const schema = option as z.ZodType;
    const name = `${path}${key}`;
    const own = { name, range: rangeOf(schema), default: defaultOf(schema), help: schema.description ?? "" };
    return [own, ...rowsOf(shapeOf(schema), `${name}.`)];
  });
}

/** Values that no option takes: what a schema says of them is the range, in words. */
const strangers = [Symbol("stranger"), undefined];

function rangeOf(schema: z.ZodType): string {
  const { innerType } = schema.def as { readonly innerType?: z.ZodType };
  if (innerType) return rangeOf(innerType);
  return strangers.map((value) => schema.safeParse(value).error?.issues[0]?.message).find((words) => words) ?? "";
}

function defaultOf(schema: z.ZodType): string {
  if (schema instanceof z.ZodDefault) return valueText(schema.def.defaultValue);
  if (schema instanceof z.ZodPrefault) return "each its own";
  return schema.safeParse(undefined).success ? "none" : "required";
}

function valueText(value: unknown): string {
  if (typeof value === "function") return `\`${value.name}\``;
  // An object with methods, such as an optimiser, has no text.
  const isPlain = typeof value !== "object" || Object.values(value ?? {}).every((each) => typeof each !== "function");
  const text = typeof value === "number" ? String(value) : JSON.stringify(value);
  return isPlain && text.length <= 60 ? `\`${text}\`` : "see its docstring";
}

function shapeOf(schema: z.ZodType): z.ZodRawShape {
  if (schema instanceof z.ZodObject) return schema.shape as z.ZodRawShape;
  if (schema instanceof z.ZodUnion)
    return Object.assign({}, ...schema.options.map((option) => shapeOf(option as z.ZodType)));
  const { innerType } = schema.def as { readonly innerType?: z.ZodType };
  return innerType ? shapeOf(innerType) : {};
}

const cell = (text: string) => text.replaceAll("|", "\\|");

/** The whole page. */
export function optionsPage(): string {
  const tables = Object.entries(specs).map(([operation, spec]) => {
    const rows = rowsOf(spec).map(
      ({ name, range, default: value, help }) => `| \`${name}\` | ${cell(range)} | ${cell(value)} | ${cell(help)} |`,
    );
    return `## ${operation}\n\n| Option | Expected | Default | Meaning |\n|---|---|---|---|\n${rows.join("\n")}\n`;
  });
  return `# Options\n\nThe options of every operation, as the library reads them: \`npx tsx test/options/tables.ts\` prints this page.\n\n${tables.join("\n")}`;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) process.stdout.write(optionsPage());
