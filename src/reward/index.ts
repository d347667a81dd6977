/** The rewards of the paper, its ablations, and sums of your own. */
export {
  type AnswerParts,
  type AnswerRewardFunction,
  answerReward,
  paperReward,
  similarityOnly,
  strictReward,
  withoutFormatGate,
  withoutLeakGate,
} from "./paper";
export { referenceReward } from "./reference";
export type { Judgement, RewardFunction, RolloutParts } from "./reward";
export { type OwnReward, sumRewards } from "./sum";
