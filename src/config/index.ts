/** The type of the file that the commands of `rise-ts` read. */
export type { DataFileExtras } from "./data-files";
export {
  type AnswerRewardOf,
  type DataConfig,
  defineConfig,
  type FileConfig,
  type GrpoConfig,
  type Named,
  type RateConfig,
  type RewardOf,
  type RiseConfig,
  type ScheduleConfig,
  type Supplied,
  type TaskConfig,
} from "./define-config";
