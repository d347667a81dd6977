/** The type of the file that the commands of `rise-ts` read. */
export {
  type DataConfig,
  defineConfig,
  type RiseConfig,
  type ScheduleConfig,
  type TaskConfig,
} from "./define-config";
