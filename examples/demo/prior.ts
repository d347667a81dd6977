import type { Example, LabelDistribution } from "rise-ts";
import { moodEmoji, moodLabels } from "../pictures/mood-labels";
import { type Votes, wordVotes } from "../tiny-vlm/lexicon";

const byName = new Map(moodEmoji.map((emoji) => [emoji.name, wordVotes(emoji)]));
const votesOf = ({ metadata }: Example<unknown>): Votes => byName.get((metadata!.shows as readonly string[])[0]!)!;

/** The mood that the words for the emoji tell, without a look at the picture or at people's ratings. */
export const wordPrior = (example: Example<LabelDistribution>): LabelDistribution => shares(votesOf(example));

/**
 * The same, calibrated on what training shows: the mean annotation of emoji whose words say something similar, nearer ones more (Nadaraya 1964, Watson 1964).
 * It is told which emoji is shown, so it is what a model can reach that names everything and learns the rest.
 */
export function calibratedPrior(train: readonly Example<LabelDistribution>[]) {
  const emoji = [...new Map(train.map((example) => [nameOf(example), example])).values()];
  const known = emoji.map((example) => ({ votes: votesOf(example), annotation: example.annotation }));
  const estimate = (votes: Votes, width: number, from: typeof known): LabelDistribution => {
    const weights = from.map((other) => Math.exp(-squaredDistance(votes, other.votes) / (2 * width ** 2)) + 1e-9);
    const sum = weights.reduce((a, b) => a + b, 0);
    const mean = (label: string) =>
      from.reduce((total, { annotation }, i) => total + weights[i]! * annotation[label]!, 0);
    return Object.fromEntries(moodLabels.map((label) => [label, mean(label) / sum]));
  };
  const leftOut = (width: number) =>
    known.reduce((total, one) => {
      const guess = estimate(
        one.votes,
        width,
        known.filter((other) => other !== one),
      );
      return total + moodLabels.reduce((sum, label) => sum + (guess[label]! - one.annotation[label]!) ** 2, 0);
    }, 0);
  const width = [0.05, 0.1, 0.15, 0.2, 0.3, 0.5].reduce((best, next) => (leftOut(next) < leftOut(best) ? next : best));
  return (example: Example<LabelDistribution>) => estimate(votesOf(example), width, known);
}

const nameOf = ({ metadata }: Example<unknown>) => (metadata!.shows as readonly string[])[0]!;
const shares = (votes: Votes): LabelDistribution =>
  Object.fromEntries(moodLabels.map((label, i) => [label, votes[i]!]));
const squaredDistance = (a: Votes, b: Votes) => a.reduce((sum, share, i) => sum + (share - b[i]!) ** 2, 0);
