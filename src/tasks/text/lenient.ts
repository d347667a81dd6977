import { choice } from "../../options/spec";
import { inAscii } from "./scripts";

/** An answer's value, and the flaws that were overlooked to read it. */
export interface Read<A> {
  readonly value: A;
  /** The flaws, such as "percentages"; empty if the answer is written as asked. */
  readonly repairs: readonly string[];
}

/** The reason why a text was not read, if it is known. */
export interface Unread {
  readonly value: null;
  readonly repairs: readonly string[];
  readonly problem: string;
}

export const unread = (problem: string): Unread => ({ value: null, repairs: [], problem });

/** Whether answers that are not written as asked are read, with their repairs named, or refused. */
export type Reading = "lenient" | "strict";

export const readingOption = () =>
  choice(["lenient", "strict"])
    .default("lenient")
    .describe("Whether an answer that is not quite as asked is read, or does not parse");

/**
 * Makes the three members of a task that read its answers. Digits and marks of other scripts, as in "喜悦：０.９", are read
 * as those of ASCII, unless the answer is as asked.
 */
export function parsing<A>(readText: (text: string) => Read<A> | Unread | null, reading: Reading) {
  const isStrict = reading === "strict";
  const isUnread = (answer: Read<A> | Unread): answer is Unread => "problem" in answer;
  const read = (text: string): Read<A> | Unread | null => {
    const asWritten = readText(text);
    const ascii = inAscii(text);
    const isAsAsked = asWritten && !isUnread(asWritten) && asWritten.repairs.length === 0;
    if (isAsAsked || ascii === text) return asWritten;
    const answer = readText(ascii);
    return answer && !isUnread(answer)
      ? { ...answer, repairs: [...answer.repairs, "marks of another script"] }
      : answer;
  };
  return {
    parse(text: string): A | null {
      const answer = read(text);
      return answer && !isUnread(answer) && !(isStrict && answer.repairs.length > 0) ? answer.value : null;
    },
    repairs(text: string): readonly string[] {
      const answer = read(text);
      return answer && !isUnread(answer) ? answer.repairs : [];
    },
    problem(text: string): string | undefined {
      const answer = read(text);
      if (answer && isUnread(answer)) return answer.problem;
      return isStrict && answer && answer.repairs.length > 0
        ? `strict reading: expected no fault, got ${answer.repairs.join(", ")}`
        : undefined;
    },
  };
}
