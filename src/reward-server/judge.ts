import { DataError } from "../errors";
import { nearest } from "../options/did-you-mean";
import { counted, shown } from "../options/display";
import { checkJudgement } from "../reward/reward";
import type { Reward } from "../rollouts";
import type { Example } from "../types";
import type { Item } from "./forms";
import type { RewardServerSettings } from "./options";

/** Judges writings by the ids of their examples. */
export interface Judge {
  rewards(items: readonly Item[]): Promise<readonly Reward[]>;
  /** The prompt of a reconstruction as chat templates take it. */
  reconstruction(id: string, cot: string): readonly object[];
}

/** Its methods throw DataError for an id that the dataset does not have. */
export function createJudge<A>({ task, dataset, reward, cotReward }: RewardServerSettings<A>): Judge {
  const examples = new Map(dataset.map((example) => [example.id, example]));
  const exampleOf = (id: string): Example<A> => {
    const example = examples.get(id);
    if (example) return example;
    // Comparing with every id of a large dataset takes long.
    const near = examples.size <= 10_000 ? nearest(id, [...examples.keys()]) : undefined;
    throw new DataError(
      `expected an id of the dataset's ${counted(examples.size, "example")}, got ${shown(id)}${near === undefined ? "" : `; did you mean "${near}"?`}`,
    );
  };
  const judged = async (item: Item): Promise<Reward> => {
    const { id, annotation: truth } = exampleOf(item.id);
    const judgement =
      "text" in item
        ? checkJudgement(await reward(task, { truth, text: item.text }), reward.name, `for example ${id}`)
        : checkJudgement(await cotReward(task, { truth, ...item }), cotReward.name, `for example ${id}`);
    return judgement.reward;
  };
  return {
    rewards: (items) => Promise.all(items.map(judged)),
    reconstruction: (id, cot) =>
      task.reconstructionPrompt(exampleOf(id), cot).map(({ role, content }) => ({
        role,
        content: content.map((part) => (part.type === "text" ? part : { type: "image" })),
      })),
  };
}
