export { annotateDataset } from "./annotate-dataset";
export type { AnnotateDatasetOptions } from "./annotate-dataset-options";
export type { AnnotateDatasetEvent, AnnotateDatasetResult } from "./events";
export type { ImagesToAnnotate, UnannotatedImage } from "./images";
export { type MergedShards, type MergeShardsOptions, mergeShards } from "./merge-shards";
export type { ImageAnnotation } from "./rows";
export { type AnnotationStream, readAnnotations } from "./store";
