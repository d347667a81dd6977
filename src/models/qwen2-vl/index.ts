export type { LoraConfig } from "../../engine/adapter";
export { type MergeAdapterOptions, mergeAdapter } from "../../engine/checkpoint/merge";
export { configJson, loadConfig, type Qwen2VlConfig } from "../families/qwen2-vl/config";
export { readSafetensors, type StoredDtype, writeSafetensors } from "../files/safetensors";
export type { DownloadProgress, OnDownload } from "../hub/progress";
export { type ProcessedImage, smartResize } from "../inputs/image-processor";
export { defaultModel, openModel, type VisionLanguageModel } from "../open-model";
export { initialiseCheckpoint, openQwen2Vl, type Qwen2Vl } from "./open";
