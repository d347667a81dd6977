import type { Target } from "../target";
import { adaptersTarget } from "./adapters";
import { answersTarget } from "./answers";
import { checkpointsTarget } from "./checkpoints";
import { headersTarget } from "./headers";
import { hubTarget } from "./hub";
import { imagesTarget } from "./images";
import { settingsTarget, templatesTarget, tokenizersTarget } from "./models";
import { repliesTarget } from "./replies";
import { tableTargets } from "./tables";

/** Everything that reads what somebody else made. */
export const targets: readonly Target[] = [
  headersTarget,
  settingsTarget,
  templatesTarget,
  tokenizersTarget,
  imagesTarget,
  ...tableTargets,
  answersTarget,
  repliesTarget,
  hubTarget,
  adaptersTarget,
  checkpointsTarget,
];
