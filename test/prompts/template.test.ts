import { describe, expect, it } from "vitest";
import { ConfigError } from "../../src/errors";
import { answerTexts, cotTexts, reconstructionTexts } from "../../src/prompts/default-texts";
import { imagePrompt, template } from "../../src/prompts/template";

describe("template", () => {
  it("fills every placeholder, as often as it occurs", () => {
    const fill = template("{{a}} and {{ b }}, {{a}}", "the text", { required: ["a"], optional: ["b"] });
    expect(fill({ a: "x", b: "y" })).toBe("x and y, x");
  });

  it("inserts values as they are, even when they look like placeholders or patterns", () => {
    const fill = template("{{cot}} {{form}}", "the text", { required: ["cot", "form"] });
    expect(fill({ cot: "{{form}} $& {{", form: "F" })).toBe("{{form}} $& {{ F");
  });

  it("leaves single braces alone", () => {
    expect(template("write {'joy': p}", "the text", {})({})).toBe("write {'joy': p}");
  });

  it.each([
    ["a required placeholder that is missing", "nothing", /expected a text that uses {{cot}}/],
    ["a placeholder nobody fills", "{{cot}} {{annotation}}", /{{cot}}, {{form}}, got {{annotation}}/],
    ["a placeholder that is never closed", "{{cot}} {{form", /character 8/],
    ["an empty placeholder", "{{cot}} {{}}", /got {{}}/],
  ])("refuses %s, and names the text", (_why, text, message) => {
    const make = () => template(text, "my prompt", { required: ["cot"], optional: ["form"] });
    expect(make).toThrow(ConfigError);
    expect(make).toThrow(message);
    expect(make).toThrow(/my prompt/);
  });

  it("says what it uses", () => {
    expect([...template("{{a}} {{b}} {{a}}", "t", { optional: ["a", "b", "c"] }).uses]).toEqual(["a", "b"]);
  });
});

describe("the prompts", () => {
  it("put the image first", () => {
    expect(imagePrompt("i.png", "What is it?")).toEqual([
      {
        role: "user",
        content: [
          { type: "image", image: "i.png" },
          { type: "text", text: "What is it?" },
        ],
      },
    ]);
  });

  it("forbid numbers, probabilities and coordinates in cots", () => {
    for (const text of Object.values(cotTexts)) expect(text).toMatch(/no numbers, probabilities or coordinates/);
  });

  it("show the annotation only where a cot has to justify it", () => {
    for (const text of Object.values(cotTexts)) expect(text).toContain("{{annotation}}");
    for (const text of [...Object.values(reconstructionTexts), ...Object.values(answerTexts)]) {
      expect(text).not.toContain("{{annotation}}");
    }
  });

  it("give the form of the answer", () => {
    for (const text of Object.values(reconstructionTexts)) expect(text).toContain("{{form}}");
    for (const text of Object.values(answerTexts)) expect(text).toContain("</think><answer>{{form}}</answer>");
  });
});
