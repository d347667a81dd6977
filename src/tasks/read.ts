import { checkChoice } from "../choice";

/** What an answer says, and what had to be overlooked to read it. */
export interface Read<A> {
  readonly value: A;
  /** Such as "percentages"; none where the answer is written as asked. */
  readonly repairs: readonly string[];
}

/** Whether answers that are not written as asked are read, and say so, or are refused. */
export type Reading = "lenient" | "strict";

/**
 * The two members of a task that come from reading its answers.
 * @throws ConfigError for a reading that is neither
 */
export function parsing<A>(read: (text: string) => Read<A> | null, reading: Reading) {
  checkChoice("reading", reading, ["lenient", "strict"]);
  const isRefused = (repairs: readonly string[]) => reading === "strict" && repairs.length > 0;
  return {
    parse(text: string): A | null {
      const answer = read(text);
      return answer && !isRefused(answer.repairs) ? answer.value : null;
    },
    repairs: (text: string): readonly string[] => read(text)?.repairs ?? [],
  };
}
