import { DataError, type Example, findLeaks, imagePrompt, type Task } from "rise-ts";

/**
 * A task of one's own: annotations are whole numbers on a scale, written `rating: 4`.
 *
 * S(A, Â) = 1 − |A − Â| / (to − from)
 */
export function rating({ question, from = 1, to = 5 }: RatingOptions): Task<number> {
  const asked = `${question} Rate it from ${from} to ${to}.`;
  const isOnScale = (value: number) => Number.isInteger(value) && value >= from && value <= to;
  const format = (value: number) => `rating: ${value}`;
  return {
    name: "rating",
    cotPrompt: ({ image, annotation }: Example<number>) =>
      imagePrompt(
        image,
        `${asked} The answer is ${format(annotation)}. Describe what leads to it, without any numbers.`,
      ),
    reconstructionPrompt: ({ image }, cot) =>
      imagePrompt(image, `${asked} Somebody described it like this: ${cot.trim()} Answer only with rating: n.`),
    answerPrompt: ({ image }) =>
      imagePrompt(image, `${asked} Write <think>your reasoning</think><answer>rating: n</answer>.`),
    format,

    // The text after "rating:" must be a number and nothing else: of "3-4" or "4/5" it could only guess what is meant.
    parse(text) {
      const written = [...text.matchAll(/rating:\s*(\S+)/gi)].map(([, word]) => word!.replace(/[.,;)]$/, ""));
      const values = new Set(written.map((word) => (/^\d{1,9}$/.test(word) ? Number(word) : Number.NaN)));
      const [value] = values;
      return values.size === 1 && isOnScale(value!) ? value! : null;
    },

    similarity: (truth, prediction) => 1 - Math.abs(truth - prediction) / (to - from),
    // A rating is a small number, so "four" leaks here, though it would not in a description.
    leaks: (cot, annotation) => findLeaks(cot, { answer: format(annotation), counts: true }),
    validate(annotation, where) {
      if (!isOnScale(annotation))
        throw new DataError(
          `${where}: expected a whole number from ${from} to ${to}, got ${JSON.stringify(annotation)}`,
        );
    },
    draw: (value) => [{ type: "bar", label: `${from} to ${to}`, share: (value - from) / (to - from) }],
  };
}

export interface RatingOptions {
  readonly question: string;
  readonly from?: number;
  readonly to?: number;
}
