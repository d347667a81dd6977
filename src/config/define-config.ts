import type { OnnxBackendOptions } from "../backends/onnx";
import type { OpenaiBackendOptions } from "../backends/openai";
import type { CocoOptions } from "../datasets/coco";
import type { ConversationOptions } from "../datasets/conversations";
import type { CsvOptions } from "../datasets/csv";
import type { ImageFolderOptions } from "../datasets/image-folder";
import type { ParquetOptions } from "../datasets/parquet";
import type { AuditCotsOptions } from "../evaluation/audit-cots";
import type { CompareOptions } from "../evaluation/compare";
import type { EvaluateOptions } from "../evaluation/evaluate";
import type { GrpoSettings } from "../grpo/presets";
import type { AdamWOptions } from "../optim";
import type { RiseCotOptions } from "../rise/rise-cot";
import type { RftOptions, RiseR1Options, SftOptions } from "../rise/rise-r1";
import type { LearningRate } from "../runs/learning-rate";
import type { Task } from "../task";
import type { ClassificationOptions } from "../tasks/classification";
import type { DetectionOptions } from "../tasks/detection";
import type { SegmentationOptions } from "../tasks/segmentation";
import type { OnnxTrainerOptions } from "../trainers/onnx-options";
import type { Example } from "../types";
import type { DataFileExtras } from "./data-files";
import type { answerRewards, presets, rewards, schedules } from "./names";

/** Options that the commands supply to every operation themselves. */
export type Supplied = (typeof supplied)[number];
export const supplied = [
  ...(["task", "dataset", "heldOut", "trainer", "backend", "cots", "metrics", "runDir", "resume", "seed"] as const),
  ...(["onOmission", "stop", "signal"] as const),
] as const;

/** Options that a file may give by name. */
export type Named<Options, Names> = Omit<Options, Supplied | keyof Names> & Partial<Names>;

/** A schedule of learning rates, as a file writes it. */
export interface ScheduleConfig {
  readonly schedule: keyof typeof schedules;
  readonly learningRate: number;
  readonly warmupSteps?: number;
  readonly totalSteps?: number;
}

/** A learning rate: a number, a function, or a schedule by name. */
export type RateConfig = { readonly learningRate: LearningRate | ScheduleConfig };
/** The settings of GRPO: a preset's name, or the settings. */
export type GrpoConfig = { readonly grpo: GrpoSettings | keyof typeof presets };

/** The kind of annotation: a task's options, or a task. */
export type TaskConfig<A> =
  | ({ readonly kind: "classification" } & ClassificationOptions)
  | ({ readonly kind: "detection" } & DetectionOptions)
  | ({ readonly kind: "segmentation" } & SegmentationOptions)
  | Task<A>;

/** Data in files of a format, with the options of the format's loader. */
export type FileConfig<Format extends string, Options> = { readonly format: Format } & DataFileExtras &
  Omit<Options, "onOmission" | "task" | "example">;

/** The examples: a file or folder in a format, or the examples themselves. */
export type DataConfig<A> =
  | FileConfig<"folder", ImageFolderOptions>
  | FileConfig<"csv", CsvOptions>
  | FileConfig<"coco", Omit<CocoOptions, "space"> & { readonly images: string }>
  | FileConfig<"jsonl", object>
  | FileConfig<"conversations", Pick<ConversationOptions<A>, "root">>
  | FileConfig<"parquet", ParquetOptions<A> & { readonly label?: string }>
  | {
      readonly train: readonly Example<A>[];
      readonly validation?: readonly Example<A>[];
      readonly test?: readonly Example<A>[];
    };

/** Everything that the commands of `rise-ts` need: `docs/commands.md` shows a file. */
export interface RiseConfig<A> {
  readonly task: TaskConfig<A>;
  readonly data: DataConfig<A>;
  /** The checkpoint of trainer and backend (`defaultModel`). */
  readonly model?: string;
  /** The policy that learns. */
  readonly trainer?: { readonly kind?: "onnx"; readonly optimizer?: AdamWOptions } & Omit<
    OnnxTrainerOptions,
    "model" | "seed" | "optimizer" | "onDownload"
  >;
  /** A model that only answers. With it, stage 1 chooses the best of its cots, and trains nothing. */
  readonly backend?:
    | ({ readonly kind?: "onnx" } & Omit<OnnxBackendOptions, "model" | "onDownload">)
    | ({ readonly kind: "openai"; readonly apiKeyVariable?: string } & Omit<OpenaiBackendOptions, "model" | "apiKey">);
  readonly cot?: Named<
    RiseCotOptions<A>,
    RateConfig & GrpoConfig & { readonly reward: keyof typeof rewards | RewardOf<A> }
  >;
  readonly r1?: Omit<RiseR1Options<A>, Supplied | "sft" | "rft"> & {
    readonly sft?: Named<SftOptions, RateConfig> | false;
    readonly rft?:
      | Named<
          RftOptions<A>,
          RateConfig & GrpoConfig & { readonly reward: keyof typeof answerRewards | AnswerRewardOf<A> }
        >
      | false;
  };
  readonly evaluate?: Omit<EvaluateOptions<A, never>, Supplied>;
  readonly compare?: Omit<CompareOptions<A, never>, Supplied>;
  readonly audit?: Omit<AuditCotsOptions<A>, Supplied>;
  /** The folder of everything that is written ("runs"). */
  readonly runDir?: string;
  /** Resumes what was interrupted in `runDir` (false). */
  readonly resume?: boolean;
  /** Decides everything that is random (0). */
  readonly seed?: number;
}

/** A reward of stage 1. */
export type RewardOf<A> = NonNullable<RiseCotOptions<A>["reward"]>;
/** A reward of stage 2. */
export type AnswerRewardOf<A> = NonNullable<RftOptions<A>["reward"]>;

/**
 * Types a configuration, for `rise.config.ts`; it returns what it is given, and the commands check it.
 * @example
 * export default defineConfig({
 *   task: { kind: "classification", labels: ["cat", "dog"] },
 *   data: { format: "folder", path: "photos", test: 0.2 },
 *   cot: { steps: 100 },
 * });
 */
export function defineConfig<A = unknown>(config: RiseConfig<A>): RiseConfig<A> {
  return config;
}
