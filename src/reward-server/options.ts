import type { Dataset } from "../dataset";
import { callback, count, given, having, type Settings, secret, specOf, text } from "../options/spec";
import { type AnswerRewardFunction, answerReward, paperReward } from "../reward/paper";
import type { RewardFunction } from "../reward/reward";
import { taskOption } from "../runs/examples/check-examples";
import type { Task } from "../task";

/** Options of `rewardServer`. */
export interface RewardServerOptions<A> {
  readonly task: Task<A>;
  /** The examples that are trained on; a request names them by id. */
  readonly dataset: Dataset<A>;
  /** The reward of a `<think>…</think><answer>…</answer>` completion, Eq. 9 (answerReward). */
  readonly reward?: AnswerRewardFunction<A>;
  /** The reward of a cot and its reconstruction, Eq. 1 (paperReward). */
  readonly cotReward?: RewardFunction<A>;
  /** The bearer token of every request, at least 16 characters (a new one from 32 random bytes). */
  readonly token?: string;
  /** The address to listen at ("127.0.0.1": this machine alone). Beyond it, use a private network: it is plain HTTP. */
  readonly host?: string;
  /** The port to listen at (0: a free one). */
  readonly port?: number;
  /** Bytes of a request's body (16 777 216, 16 MiB). */
  readonly maxBytes?: number;
  /** Closes the server. */
  readonly signal?: AbortSignal;
}

export const rewardServerSpec = specOf<RewardServerOptions<never>>()(() => ({
  task: taskOption().describe("The task whose answers are judged"),
  dataset: given("a list of examples").describe("The examples that are trained on"),
  reward: callback("a function, such as answerReward")
    .default(() => answerReward)
    .describe("The reward of an answer, Eq. 9"),
  cotReward: callback("a function, such as paperReward")
    .default(() => paperReward)
    .describe("The reward of a cot and its reconstruction, Eq. 1"),
  token: secret("at least 16 printable ASCII characters without spaces", (token) => /^[\x21-\x7e]{16,}$/.test(token))
    .optional()
    .describe("The bearer token of every request; without it, a new one from 32 random bytes"),
  host: text("a host name or an IP address").default("127.0.0.1").describe("The address to listen at"),
  port: count(0)
    .max(65_535, "a port, from 0 to 65535")
    .default(0)
    .describe("The port to listen at; 0 takes a free one"),
  maxBytes: count()
    .default(2 ** 24)
    .describe("Bytes of a request's body"),
  signal: having("an AbortSignal", "addEventListener", "throwIfAborted").optional().describe("Closes the server"),
}));

export type RewardServerSettings<A> = Settings<RewardServerOptions<A>, typeof rewardServerSpec>;
