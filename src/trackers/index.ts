export { tensorboard } from "./tensorboard";
export { track } from "./track";
export type { Tracker } from "./tracker";
export { type TrackioOptions, trackio } from "./trackio";
export { type WandbOptions, wandb } from "./wandb";
