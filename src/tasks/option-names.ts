import type { Names } from "../options";
import type { PromptTexts } from "../prompts/template";
import type { ClassificationOptions } from "./classification";
import type { DetectionOptions } from "./detection";
import type { LocatingOptions } from "./locating";
import type { SegmentationOptions } from "./segmentation";

const prompts: Names<PromptTexts> = { cot: true, reconstruction: true, answer: true };
const locating: Names<LocatingOptions> = { target: true, prompts, similarity: true, space: true };

export const classificationNames: Names<ClassificationOptions> = {
  labels: true,
  name: true,
  question: true,
  reading: true,
  prompts,
  similarity: true,
};

export const detectionNames: Names<DetectionOptions> = {
  ...locating,
  single: true,
  boxFormat: true,
  name: true,
  reading: true,
};

export const segmentationNames: Names<SegmentationOptions> = { ...locating, name: true, reading: true };
