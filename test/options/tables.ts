/**
 * Prints docs/options.md: one table an operation, from the specs that the operations read their options by.
 *
 *   npx tsx test/options/tables.ts > docs/options.md
 */
import { pathToFileURL } from "node:url";
import type { z } from "zod";
import { annotateDatasetSpec } from "../../src/annotation/annotate-dataset-options";
import { mergeShardsSpec } from "../../src/annotation/merge-shards";
import { aiSdkBackendSpec } from "../../src/backends/ai-sdk";
import { onnxBackendSpec } from "../../src/backends/onnx";
import { openaiBackendSpec } from "../../src/backends/openai";
import { transformersJsBackendSpec } from "../../src/backends/transformers-js";
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
import { jsonlDatasetSpec } from "../../src/datasets/jsonl";
import { kShotSpec } from "../../src/datasets/k-shot";
import { lisaSpec, reasonSegDatasetSpec } from "../../src/datasets/lisa";
import { parquetDatasetSpec } from "../../src/datasets/parquet";
import { mergeAdapterSpec } from "../../src/engine/checkpoint/merge";
import { generateSpec } from "../../src/engine/sampling/options";
import { scoringSpec } from "../../src/engine/training/rows";
import { annotateSpec } from "../../src/evaluation/annotate";
import { auditCotsSpec } from "../../src/evaluation/audit-cots";
import { compareEvaluationsSpec } from "../../src/evaluation/compare";
import { evaluateSpec } from "../../src/evaluation/evaluate";
import { exportSpec } from "../../src/export/transformers-js";
import { grpoAdvantagesSpec } from "../../src/grpo/advantage/advantage-options";
import { gaeAdvantagesSpec } from "../../src/grpo/advantage/gae";
import { grpoLossSpec } from "../../src/grpo/loss/loss-options";
import { resamplingSpec } from "../../src/metrics/bootstrap";
import { jsdSpec } from "../../src/metrics/jsd";
import { meanMetricSpec } from "../../src/metrics/metric";
import { winRateIntervalSpec } from "../../src/metrics/win-rate";
import { adamwSpec } from "../../src/optim/adamw";
import { constantScheduleSpec, decayScheduleSpec } from "../../src/optim/schedule";
import { type DefaultText, rowsOf } from "../../src/options/rows";
import { planRunSpec } from "../../src/plan/plan";
import { pushToHubSpec } from "../../src/publish/push-to-hub";
import { rewardServerSpec } from "../../src/reward-server/options";
import { riseCotSpec } from "../../src/rise/rise-cot-options";
import { riseR1Spec } from "../../src/rise/rise-r1-options";
import { classificationSimilaritySpec } from "../../src/similarity/distribution";
import { similaritySpec } from "../../src/similarity/matching";
import { classificationSpec } from "../../src/tasks/classification";
import { detectionSpec } from "../../src/tasks/detection";
import { segmentationSpec } from "../../src/tasks/segmentation";
import { trackioSpec } from "../../src/trackers/trackio";
import { wandbSpec } from "../../src/trackers/wandb";
import { onnxTrainerSpec } from "../../src/trainers/onnx-options";
import { torchTrainerSpec } from "../../src/trainers/workers/options";

/** Every operation with options, and its spec. */
export const specs: Readonly<Record<string, () => z.ZodRawShape>> = {
  riseCot: riseCotSpec,
  riseR1: riseR1Spec,
  classification: classificationSpec,
  detection: detectionSpec,
  segmentation: segmentationSpec,
  evaluate: evaluateSpec,
  annotate: annotateSpec,
  annotateDataset: annotateDatasetSpec,
  mergeShards: mergeShardsSpec,
  auditCots: auditCotsSpec,
  compareEvaluations: compareEvaluationsSpec,
  selectHighQuality: selectHighQualitySpec,
  onnxTrainer: onnxTrainerSpec,
  torchTrainer: torchTrainerSpec,
  onnxBackend: onnxBackendSpec,
  openaiBackend: openaiBackendSpec,
  aiSdkBackend: aiSdkBackendSpec,
  vllmSampler: vllmSamplerSpec,
  transformersJsBackend: transformersJsBackendSpec,
  exportTransformersJs: exportSpec,
  pushToHub: pushToHubSpec,
  mergeAdapter: mergeAdapterSpec,
  "backend.generate": generateSpec,
  trainer: scoringSpec,
  grpoAdvantages: grpoAdvantagesSpec,
  gaeAdvantages: gaeAdvantagesSpec,
  grpoLoss: grpoLossSpec,
  adamw: adamwSpec,
  constantSchedule: constantScheduleSpec,
  "linearSchedule and cosineSchedule": decayScheduleSpec,
  csvDataset: csvDatasetSpec,
  jsonlDataset: jsonlDatasetSpec,
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
  trackio: trackioSpec,
  wandb: wandbSpec,
  rewardServer: rewardServerSpec,
  planRun: planRunSpec,
  "bootstrapInterval and exchangePValue": resamplingSpec,
  "jensenShannonDivergence and meanJensenShannonDivergence": jsdSpec,
  winRateInterval: winRateIntervalSpec,
  meanMetric: meanMetricSpec,
  classificationSimilarity: classificationSimilaritySpec,
  "detectionSimilarity and segmentationSimilarity": similaritySpec,
};

/** A default as code, unless it is a word about it. */
const shownDefault = (value: DefaultText) => ("code" in value ? `\`${value.code}\`` : value.words);

const cell = (text: string) => text.replaceAll("|", "\\|");

/** The whole page. */
export function optionsPage(): string {
  const tables = Object.entries(specs).map(([operation, spec]) => {
    const rows = rowsOf(spec()).map(
      ({ name, range, default: value, help }) =>
        `| \`${name}\` | ${cell(range)} | ${cell(shownDefault(value))} | ${cell(help)} |`,
    );
    return `## ${operation}\n\n| Option | Expected | Default | Meaning |\n|---|---|---|---|\n${rows.join("\n")}\n`;
  });
  return `# Options\n\nThe options of every operation, as the library reads them: \`npx tsx test/options/tables.ts\` prints this page.\n\n${tables.join("\n")}`;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) process.stdout.write(optionsPage());
