export { type Exported, type ExportOptions, exportTransformersJs } from "./transformers-js";
