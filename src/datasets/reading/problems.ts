import type { Omission } from "../../dataset";
import { DataError } from "../../errors";

/** The problems of a file, gathered so that one message can list all of them. */
export interface Problems {
  readonly count: number;
  /**
   * Adds a problem. Problems with the same advice that begin alike are one kind, whose first few are quoted.
   * @param where the file, and the place in it
   * @param text `expected X, got Y`
   */
  add(where: string, text: string, advice?: string): void;
  /**
   * Adds an omission without a listener as a problem.
   * @param instead an alternative to `onOmission`
   */
  omit(omission: Omission, instead?: string): void;
  /** Throws if there are problems. @throws DataError with the first of each kind, and the number of problems */
  throwAny(): void;
}

const quoted = 3;

export function gatherProblems(path: string): Problems {
  const kinds = new Map<string, { readonly advice: string; readonly first: string[]; count: number }>();
  let count = 0;
  const add: Problems["add"] = (where, text, advice = "") => {
    count++;
    const key = `${advice} ${text.split(/[\d:,]/)[0]}`;
    const kind = kinds.get(key) ?? { advice, first: [], count: 0 };
    kinds.set(key, kind);
    if (++kind.count <= quoted) kind.first.push(`${where}: ${text}`);
  };
  return {
    get count() {
      return count;
    },
    add,
    omit: ({ where, reason }, instead) =>
      add(where, reason, `pass onOmission to leave it out${instead ? `, or ${instead}` : ""}`),
    throwAny() {
      if (count === 0) return;
      const lines = [...kinds.values()].flatMap(({ advice, first, count: ofKind }) => {
        const more = ofKind > quoted ? [`and ${ofKind - quoted} more`] : [];
        const told = [...first, ...more];
        const end = advice && `; ${advice}`;
        return told.map((line, i) => (i === told.length - 1 ? `${line}${end}` : line));
      });
      if (count === 1) throw new DataError(lines[0]);
      const short = lines.map((line) => `\n  ${line.startsWith(`${path}: `) ? line.slice(path.length + 2) : line}`);
      throw new DataError(`${path}: ${count} problems${short.join("")}`);
    },
  };
}
