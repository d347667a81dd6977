export type { DownloadProgress, OnDownload } from "../hub/progress";
export type { LoraConfig } from "./adapter";
export { configJson, loadConfig, type Qwen2VlConfig } from "./config";
export { type ProcessedImage, smartResize } from "./image-processor";
export { initialiseCheckpoint } from "./initialise";
export { mergeAdapter } from "./merge";
export { defaultModel, openQwen2Vl, type Qwen2Vl } from "./model";
export { readSafetensors, type StoredDtype, writeSafetensors } from "./safetensors";
