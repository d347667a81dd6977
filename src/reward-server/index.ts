/** A server that judges completions for trainers of other programs. */
export type { RewardServerOptions } from "./options";
export { type RewardServer, rewardServer } from "./server";
