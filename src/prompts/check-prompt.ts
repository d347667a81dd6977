import { inspect } from "node:util";
import { DataError } from "../errors";
import type { ImageSource, Message, Prompt, PromptPart } from "../types";

/** Checks a prompt. @throws DataError for anything else, such as messages whose content is text or another API's */
export function checkPrompt(prompt: Prompt): void {
  if (isPrompt(prompt)) return;
  const url = (Array.isArray(prompt) ? prompt : [])
    .flatMap((message: Partial<Message> | null) => message?.content ?? [])
    .map((part) => Object(part).image)
    .find((image) => image instanceof URL);
  if (url) throw new DataError(`expected the path of an image, got a URL, ${url.href}; pass fileURLToPath(url)`);
  const got = inspect(prompt, { depth: 4, maxArrayLength: 8, maxStringLength: 80 });
  throw new DataError(
    `expected a prompt: [{ role: "system" | "user" | "assistant", content: [{ type: "image", image }, { type: "text", text }] }], an image being a path, a file's bytes, or { width, height, data }; got ${got}`,
  );
}

export const isPrompt = (value: unknown): value is Prompt => Array.isArray(value) && value.every(isMessage);

const roles: readonly Message["role"][] = ["system", "user", "assistant"];

const isMessage = (message: Message) =>
  roles.includes(message?.role) && Array.isArray(message.content) && message.content.every(isPart);

const isPart = (part: PromptPart) =>
  part?.type === "text" ? typeof part.text === "string" : part?.type === "image" && isSource(part.image);

const isSource = (image: ImageSource) =>
  typeof image === "string" || ArrayBuffer.isView(image) || ArrayBuffer.isView(image?.data);
