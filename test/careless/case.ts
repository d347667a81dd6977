import { homedir } from "node:os";
import { fileURLToPath } from "node:url";
import { RiseError } from "../../src/errors";
import { classification } from "../../src/tasks/classification";

/** A mistake that people make, or something unusual that they may do. */
export interface Careless {
  readonly input: string;
  /** Does it in a folder of its own; a text that it returns is what it prints. */
  readonly call: (folder: string) => unknown;
  /** Whether it must do what is meant (false: it must be refused, or warn). */
  readonly works?: boolean;
}

export const labels = ["joy", "sadness"];
export const task = classification({ labels, name: "moods" });
export const root = fileURLToPath(new URL("../..", import.meta.url));

/** Whether it worked, or the words that a user reads. */
export interface Said {
  readonly words: string;
  readonly grade: "A" | "B" | "C" | "F";
}

export async function said({ call, works = false }: Careless, folder: string): Promise<Said> {
  try {
    const printed = await call(folder);
    if (typeof printed === "string" && printed !== "")
      return { words: plain(printed, folder), grade: gradeOf(printed) };
    return { words: works ? "works" : "nothing", grade: works ? "A" : "F" };
  } catch (error) {
    const { message } = error as Error;
    const isOurs = error instanceof RiseError || message.startsWith("rise-ts");
    return { words: plain(message, folder), grade: works ? "F" : isOurs ? gradeOf(message) : "C" };
  }
}

/**
 * A names the place, what is expected and what was found, or gives the way out. B leaves one of them out. C speaks in
 * words of another library, or on many lines that are no list. F, which no message is, says nothing or the wrong thing.
 */
function gradeOf(message: string): "A" | "B" | "C" {
  const isMessy = /\n(?! {2}\S)/.test(message.trim());
  if (isMessy || foreign.test(message)) return "C";
  const hasBoth = /expected/.test(message) && /\b(?:got|found|has|is|are)\b/.test(message);
  return hasBoth || wayOut.test(message) ? "A" : "B";
}

const foreign =
  /Invalid input|Unexpected|at position|E(?:NOENT|EXIST|ISDIR|NOTDIR|ACCES)|ZodError|Vips|libheif|TypeError|\(reading|\bat \w+ \(/;
const wayOut =
  /did you mean|here it is|\b(?:pass|write|give|choose|lower|raise|convert|run|resume|use|show|say|mend|leave|make)\b/i;

/** The words without this machine's folders and this run's times. */
const plain = (words: string, folder: string) =>
  words
    .trim()
    .replaceAll(folder, "DIR")
    .replaceAll(root.replace(/\/$/, ""), "…")
    .replaceAll(homedir(), "HOME")
    .replace(/\b\d+ of \d+(\.\d+)? GB\b/g, "N GB");
