import type { Prompt } from "../../../types";

/** A prompt in the form of chat templates. */
export type Chat = readonly {
  readonly role: string;
  readonly content: readonly ({ readonly type: "image" } | { readonly type: "text"; readonly text: string })[];
}[];

/** A prompt in the form of chat templates, cut at `seam` inside every special token in its texts. */
export function chatOf(
  prompt: Prompt,
  prepared: (text: string) => string,
  specials: ReadonlySet<string>,
): { readonly chat: Chat; readonly seam: string } {
  const ready = prompt.map(({ role, content }) => ({
    role,
    parts: content.map((part) => (part.type === "text" ? prepared(part.text) : undefined)),
  }));
  const seam = seamFor(ready.flatMap(({ parts }) => parts.map((part) => part ?? "")).join(""));
  const chat = ready.map(({ role, parts }) => {
    const whole = parts.map((part) => part ?? seam);
    const texts = disarm(whole, specials, seam);
    const content = parts.map((part, i) =>
      part === undefined ? ({ type: "image" } as const) : ({ type: "text", text: texts[i]! } as const),
    );
    return { role, content };
  });
  return { chat, seam };
}

const [firstPrivate, lastPrivate] = [0xe000, 0xf8ff];

/**
 * A private-use character that the text lacks, or a pair if it has them all. The rendered chat is cut there, so that
 * the tokenizer never sees a special token's name in one piece.
 */
export function seamFor(text: string): string {
  const free = (before: string): string | undefined => {
    const there = new Set<number>();
    for (let at = text.indexOf(before); at >= 0 && at < text.length; at = text.indexOf(before, at + 1))
      there.add(text.charCodeAt(at + before.length));
    for (let code = firstPrivate; code <= lastPrivate; code++)
      // If two are equal, the first could belong to the text.
      if (!there.has(code) && code !== before.charCodeAt(0)) return before + String.fromCharCode(code);
    return undefined;
  };
  let seam = free("");
  for (let code = firstPrivate; seam === undefined; code++) seam = free(String.fromCharCode(code));
  return seam;
}

/** `parts`, cut inside every special token in them, also one that spans several parts. */
export function disarm(parts: readonly string[], specials: ReadonlySet<string>, seam: string): string[] {
  const whole = parts.join("");
  const cuts = new Set<number>();
  for (const special of specials)
    for (let at = whole.indexOf(special); at >= 0; at = whole.indexOf(special, at + 1))
      cuts.add(at + Math.min(2, special.length - 1));
  const sorted = [...cuts].sort((a, b) => a - b);
  let [next, end] = [0, 0];
  return parts.map((part) => {
    const start = end;
    end += part.length;
    const inside: number[] = [];
    for (; next < sorted.length && sorted[next]! < end; next++) inside.push(sorted[next]! - start);
    return [0, ...inside].map((cut, i) => part.slice(cut, inside[i])).join(seam);
  });
}
