import { choice } from "../../options/spec";

/** What an answer says, and what had to be overlooked to read it. */
export interface Read<A> {
  readonly value: A;
  /** Such as "percentages"; none where the answer is written as asked. */
  readonly repairs: readonly string[];
}

/** Why a text was not read, where that can be said. */
export interface Unread {
  readonly value: null;
  readonly repairs: readonly string[];
  readonly problem: string;
}

export const unread = (problem: string): Unread => ({ value: null, repairs: [], problem });

/** Whether answers that are not written as asked are read, and say so, or are refused. */
export type Reading = "lenient" | "strict";

export const readingOption = () =>
  choice(["lenient", "strict"])
    .default("lenient")
    .describe("Whether an answer that is not quite as asked is read, or does not parse");

/** The three members of a task that come from reading its answers. */
export function parsing<A>(read: (text: string) => Read<A> | Unread | null, reading: Reading) {
  const isStrict = reading === "strict";
  const isUnread = (answer: Read<A> | Unread): answer is Unread => "problem" in answer;
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
        ? `strict reading overlooks nothing, but found ${answer.repairs.join(", ")}`
        : undefined;
    },
  };
}
