export { type ExportOptions, type Exported, exportTransformersJs } from "./transformers-js";
