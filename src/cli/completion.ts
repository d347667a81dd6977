import { commands } from "./commands";
import { choicesOf, flagsOf } from "./frame/flags";

/**
 * Finds what may come next in a command line.
 * @param words everything after `rise-ts`, with the word that is being written at the end
 */
export async function complete(words: readonly string[]): Promise<readonly string[]> {
  const current = words.at(-1) ?? "";
  const [name = ""] = words;
  const begun = (candidates: readonly string[]) => candidates.filter((candidate) => candidate.startsWith(current));
  if (words.length <= 1) return begun(Object.keys(commands));
  if (!Object.hasOwn(commands, name)) return [];
  const flags = flagsOf(await commands[name]!.load());
  if (current.startsWith("--")) return begun(flags.map((flag) => `--${flag.name}`));
  const asked = flags.find((flag) => words.at(-2) === `--${flag.name}`);
  return asked ? begun(choicesOf(asked.row)) : [];
}
