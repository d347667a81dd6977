import type { Prompt } from "../types";

/** The words of a prompt as the model gets them, a line for each part; `<image>` is the place of an image. */
export const promptText = (prompt: Prompt): string =>
  prompt
    .flatMap(({ content }) => content)
    .map((part) => (part.type === "text" ? part.text : "<image>"))
    .join("\n");
