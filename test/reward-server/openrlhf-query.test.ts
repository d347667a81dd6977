import { describe, expect, it } from "vitest";
import { DataError } from "../../src/errors";
import { completionIn } from "../../src/reward-server/openrlhf-query";

const prompt = "<|im_start|>user\n<|image_pad|>Which mood?<|im_end|>\n<|im_start|>assistant\n";
const expanded = prompt.replace("<|image_pad|>", "<|image_pad|>".repeat(300));

describe("completionIn", () => {
  it.each<[string, string, string, string]>([
    ["behind the prompt", `${prompt}It rains.`, prompt, "It rains."],
    ["behind a prompt whose image mark was repeated", `${expanded}It rains.`, prompt, "It rains."],
    ["without the end-of-turn token", `${expanded}It rains.<|im_end|>`, prompt, "It rains."],
    ["without several end tokens", `${prompt}It rains.</s> <|endoftext|>\n`, prompt, "It rains."],
    ["that is empty", `${expanded}<|im_end|>`, prompt, ""],
    [
      "that repeats the prompt's end",
      `${expanded}Hm.${prompt.slice(-40)}It rains.`,
      prompt,
      `Hm.${prompt.slice(-40)}It rains.`,
    ],
    [
      "behind a conversation that repeats its end",
      `${expanded}No.<|im_end|>\n${expanded}It rains.`,
      `${prompt}No.<|im_end|>\n${prompt}`,
      "It rains.",
    ],
    ["without a prompt", "It rains.", "", "It rains."],
  ])("finds a completion %s", (_, query, asked, completion) => {
    expect(completionIn(query, asked)).toBe(completion);
  });

  it("refuses a query of another prompt", () => {
    expect(() => completionIn("It rains.", prompt)).toThrow(DataError);
  });

  it("finds it behind a long prompt that repeats itself", () => {
    const long = `${"x".repeat(200_000)}<|image_pad|>${"y".repeat(200_000)}`;
    expect(completionIn(`${long.replace("<|image_pad|>", "<|image_pad|>".repeat(9))}end`, long)).toBe("end");
  });

  it("reads a hostile completion once", () => {
    const spaces = " ".repeat(300_000);
    expect(completionIn(`${prompt}${spaces}x${"<|im_end|>".repeat(30_000)}`, prompt)).toBe(`${spaces}x`);
  });
});
