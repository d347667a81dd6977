export { type BackendContract, describeBackend } from "./contracts/backend";
export { type DatasetContract, describeDataset } from "./contracts/dataset";
export { describeOptimizer, type OptimizerContract } from "./contracts/optimizer";
export { describeTask, type TaskContract } from "./contracts/task";
export { describeTrainer, type TrainerContract } from "./contracts/trainer";
export type { Skips, TestRunner } from "./laws/laws";
export { type Script, scriptedBackend } from "./scripted-backend";
export { type ScriptedTrainerOptions, scriptedTrainer } from "./scripted-trainer";
