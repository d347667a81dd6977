export { type AdamWOptions, adamw } from "./adamw";
export { clipByGlobalNorm, clipGradNorm, globalNorm } from "./clip";
export {
  constantSchedule,
  cosineSchedule,
  type DecayOptions,
  linearSchedule,
  type Schedule,
  type ScheduleOptions,
} from "./schedule";
export { chain, type GradientTransform, type OptimizerState, type OptimizerStep, type Tensors } from "./transform";
