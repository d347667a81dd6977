import * as z from "zod";
import { DataError } from "../../errors";
import { counted, excerpt } from "../../options/display";
import { checked } from "../reading/checked";

/** A row that asks one thing of its images and answers it. */
export interface Conversation {
  readonly id?: string | number;
  /** Null if the row says so: no subject. */
  readonly subject?: string | null;
  readonly question: string;
  /** The assistant's thought before the answer. */
  readonly cot?: string;
  readonly answer: string;
  /** The images as the row writes them, without duplicates. */
  readonly images: readonly unknown[];
  /** The row's other fields. */
  readonly rest: Readonly<Record<string, unknown>>;
}

/**
 * Reads a row of any dialect, which its keys tell.
 * @returns the reason instead, if the row is a conversation but not an example
 * @throws DataError for a row that is not a conversation
 */
export function readConversation(value: unknown, where: string): Conversation | { readonly reason: string } {
  const row = checked(rowSchema, value, where);
  const turns = turnsOf(row, where).filter(({ role }) => roles.get(role) !== "system");
  const odd = turns.find(({ role }) => roles.get(role) === undefined);
  if (odd) return { reason: `a conversation with a turn of ${JSON.stringify(odd.role)}` };
  const answers = turns.filter(({ role }) => roles.get(role) === "assistant");
  if (answers.length !== 1 || answers[0] !== turns.at(-1))
    return {
      reason: `a conversation of ${counted(answers.length, "answer")} in ${counted(turns.length, "turn")}; an example has one, at the end`,
    };
  const said = textOf(answers[0]!.content);
  const [, written, tagged, bare] = answerForm.exec(said) ?? [];
  const cot = written ?? answers[0]!.thought;
  const answer = (tagged ?? bare ?? "").trim();
  if ([cot ?? "", answer].some((part) => /<\/?(?:think|answer)>/.test(part)))
    return { reason: `an answer whose <think> and <answer> tags do not pair: ${excerpt(said)}` };
  const question = turns
    .slice(0, -1)
    .map(({ content }) => textOf(content))
    .join("\n");
  const { id, subject, ...others } = row;
  return {
    ...(id != null && { id }),
    ...(subject !== undefined && { subject }),
    ...(cot !== undefined && { cot: cot.trim() }),
    question: question.replaceAll("<image>", "").trim(),
    answer,
    images: imagesOf(row, turns),
    rest: Object.fromEntries(Object.entries(others).filter(([key, field]) => field !== null && !known.has(key))),
  };
}

/** `<think>…</think><answer>…</answer>`; the thought may be missing, and so may the tags around the answer. */
const answerForm = /^\s*(?:<think>(.*?)<\/think>)?\s*(?:<answer>(.*)<\/answer>\s*|(.*))$/s;

/** The keys of dialects whose last field holds the answer, and the others the question. */
const fields = [
  ["prompt", "completion"],
  ["query", "response"],
  ["problem", "solution"],
  ["instruction", "input", "output"],
  ["prompt", "solution"],
] as const;
const imageKeys = ["images", "image", "file_names", "file_name"] as const;
const known: ReadonlySet<string> = new Set(["messages", "conversations", "history", ...fields.flat(), ...imageKeys]);

const roles: ReadonlyMap<string, "user" | "assistant" | "system"> = new Map([
  ["user", "user"],
  ["human", "user"],
  ["system", "system"],
  ["developer", "system"],
  ["assistant", "assistant"],
  ["gpt", "assistant"],
  ["model", "assistant"],
  ["chatgpt", "assistant"],
]);

const partSchema = z.looseObject({
  text: z.string().nullish(),
  image: z.unknown().optional(),
  image_url: z.unknown().optional(),
});
const contentSchema = z.union([z.string(), z.array(partSchema)], { error: "expected text, or a list of parts" });
const turnSchema = z.looseObject({
  role: z.string().nullish(),
  from: z.string().nullish(),
  content: contentSchema.nullish(),
  value: contentSchema.nullish(),
  // The thought before an answer, as servers and TRL's templates name it.
  reasoning_content: z.string().nullish(),
  reasoning: z.string().nullish(),
  thinking: z.string().nullish(),
});
const turnsSchema = z.array(turnSchema).nullish();
const saidSchema = z.union([z.string(), z.array(turnSchema)]).nullish();
const rowSchema = z.looseObject({
  id: z.union([z.string().min(1), z.int()]).nullish(),
  subject: z.string().nullish(),
  messages: turnsSchema,
  conversations: turnsSchema,
  prompt: saidSchema,
  completion: saidSchema,
  query: saidSchema,
  response: saidSchema,
  problem: saidSchema,
  solution: saidSchema,
  instruction: saidSchema,
  input: saidSchema,
  output: saidSchema,
  /** Earlier questions and answers. */
  history: z.array(z.tuple([z.string(), z.string()])).nullish(),
});

type Row = z.infer<typeof rowSchema>;
type Content = z.infer<typeof contentSchema>;
interface Turn {
  readonly role: string;
  readonly content: Content;
  readonly thought?: string | undefined;
}

function turnsOf(row: Row, where: string): readonly Turn[] {
  const written = row.messages ?? row.conversations ?? columnsOf(row);
  const isAnswered = written.some(({ role, from }) => roles.get((role ?? from ?? "").toLowerCase()) === "assistant");
  // ms-swift's rows for GRPO have the answer in a column of its own.
  const turns = isAnswered || row.solution == null ? written : [...written, ...turnsIn(row.solution, "assistant")];
  if (written.length === 0)
    throw new DataError(
      `${where}: expected messages, conversations, or ${fields.map((keys) => `${keys[0]} and ${keys.at(-1)}`).join(", ")} with something in them; the fields there are ${excerpt(Object.keys(row).join(", "))}`,
    );
  return turns.map(({ role, from, content, value, reasoning_content, reasoning, thinking }, i) => {
    const [speaker, text] = [role ?? from, content ?? value];
    const thought = reasoning_content || reasoning || thinking || undefined;
    if (speaker == null || text == null)
      throw new DataError(
        `${where}: turn ${i}: expected role and content, or from and value, with a text, got ${excerpt(JSON.stringify(turns[i]))}`,
      );
    return { role: speaker.toLowerCase(), content: text, thought };
  });
}

/** The turns of the first pair of columns that a row has. */
const columnsOf = (row: Row) => fields.map((keys) => turnsUnder(keys, row)).find((turns) => turns.length > 0) ?? [];

function turnsUnder(keys: (typeof fields)[number], row: Row): readonly z.infer<typeof turnSchema>[] {
  const said = keys.map((key) => row[key]);
  const answer = said.at(-1);
  const asked = said.slice(0, -1).filter((question) => question != null && question !== "");
  if (answer == null || asked.length === 0) return [];
  const before = (row.history ?? []).flatMap((texts) =>
    texts.map((content, i) => ({ role: i === 0 ? "user" : "assistant", content })),
  );
  return [...before, ...asked.flatMap((question) => turnsIn(question!, "user")), ...turnsIn(answer, "assistant")];
}

const turnsIn = (
  said: string | readonly z.infer<typeof turnSchema>[],
  role: string,
): readonly z.infer<typeof turnSchema>[] => (typeof said === "string" ? [{ role, content: said }] : said);

const textOf = (content: Content) =>
  typeof content === "string" ? content : content.flatMap(({ text }) => text ?? []).join("");

/** The images of a row and of its turns. A part of type "image" without one refers to the row's image. */
function imagesOf(row: Readonly<Record<string, unknown>>, turns: readonly Turn[]): readonly unknown[] {
  const parts = turns.flatMap(({ content }) => (typeof content === "string" ? [] : content));
  const inParts = parts.map(({ image, image_url: url }) => image ?? (url as { url?: unknown } | null)?.url ?? url);
  const found = [...imageKeys.flatMap((key) => row[key]), ...inParts];
  return [...new Set(found.filter((image) => image !== undefined && image !== null && image !== ""))];
}
