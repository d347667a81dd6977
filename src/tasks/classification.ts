import { findLeaks } from "../checks/leakage";
import { ConfigError, DataError } from "../errors";
import { checkArguments, listKind, textKind } from "../options/arguments";
import { shown } from "../options/display";
import { callback, given, group, readOptions, specOf, text as textOption } from "../options/spec";
import { answerTexts, cotTexts, reconstructionTexts } from "../prompts/default-texts";
import { imagePrompt, type PromptTexts, promptsSpec, template } from "../prompts/template";
import { classificationSimilarity, isNearOne, total } from "../similarity/distribution";
import type { Task } from "../task";
import type { Example, LabelDistribution } from "../types";
import { isPhrase } from "./grounding";
import { formatDistribution, labelKey, quoted, readDistribution } from "./text/distribution-text";
import { parsing, type Reading, readingOption } from "./text/lenient";

/** Options of `classification`. */
export interface ClassificationOptions {
  readonly labels: readonly string[];
  /** The task's name (`"classification"`). */
  readonly name?: string;
  /** The question that the labels answer; may use `{{subject}}`, the example's own. */
  readonly question?: string;
  /**
   * Whether an answer that is not quite as asked is read, its repairs noted in the rollouts, or does not parse
   * ("lenient").
   */
  readonly reading?: Reading;
  /** Replacements for the prompts. Placeholders: question, form, labels; annotation (cot), cot (reconstruction). */
  readonly prompts?: PromptTexts;
  /** S(A, Â) (`classificationSimilarity`). */
  readonly similarity?: (truth: LabelDistribution, prediction: LabelDistribution) => number;
}

export const classificationSpec = specOf<ClassificationOptions>()(() => ({
  labels: given("a list of at least two labels", isList).describe("The labels, in the order in which they are written"),
  name: textOption().default("classification").describe("The task's name"),
  question: textOption()
    .default("Which labels fit this image?")
    .describe("The question that the labels answer; may use {{subject}}, the example's own"),
  reading: readingOption(),
  prompts: group(promptsSpec()).describe("Replacements for the prompts"),
  similarity: callback("a function of truth and prediction")
    .default(() => classificationSimilarity)
    .describe("S(A, Â)"),
}));

function isList(value: unknown): boolean {
  return Array.isArray(value) && value.length >= 2;
}

/**
 * A task whose annotations are distributions over named labels; a single label is the one-hot case (`oneHot`).
 *
 * They are written `{'anger': 0.10, 'joy': 0.90}`, with two decimals or as many as an annotation has
 * (`roundDistribution` shortens them).
 *
 * @throws ConfigError for fewer than two labels, labels that are empty, hard to quote or alike, placeholders that do
 * not fit, a similarity that is not a function, and an unknown reading
 * @example
 * const task = classification({ labels: ["anger", "joy"], question: "Which emotions does this image evoke?" });
 * task.parse("{'anger': 0.10, 'joy': 0.90}"); // { anger: 0.1, joy: 0.9 }
 */
export function classification(options: ClassificationOptions): Task<LabelDistribution> {
  const settings = readOptions("classification", options, classificationSpec);
  const { labels, name, question, prompts, similarity, reading } = settings;
  checkLabels(labels);
  const ask = template(question, "classification()'s question", { optional: ["subject"] });
  const common = ["question", "form", "labels"] as const;
  const cotText = template(prompts.cot ?? cotTexts.classification, "classification()'s cot prompt", {
    required: ["annotation"],
    optional: common,
  });
  const reconstructionText = template(
    prompts.reconstruction ?? reconstructionTexts.classification,
    "classification()'s reconstruction prompt",
    { required: ["cot"], optional: common },
  );
  const answerText = template(prompts.answer ?? answerTexts.classification, "classification()'s answer prompt", {
    optional: common,
  });
  const form = `{${labels.map((label) => `${quoted(label)}: p`).join(", ")}}`;
  const values = ({ id, subject }: Example<LabelDistribution>) => {
    if (!isPhrase(subject) && ask.uses.has("subject"))
      throw new DataError(`example ${id}: expected a subject for the question ${JSON.stringify(question)}, got none`);
    return { question: ask({ subject: subject ?? "" }), form, labels: labels.join(", ") };
  };

  const format = (annotation: LabelDistribution) => formatDistribution(annotation, labels);
  return {
    name,
    cotPrompt: (example) =>
      imagePrompt(example.image, cotText({ ...values(example), annotation: format(example.annotation) })),
    reconstructionPrompt: (example, cot) =>
      imagePrompt(example.image, reconstructionText({ ...values(example), cot: cot.trim() })),
    answerPrompt: (example) => imagePrompt(example.image, answerText(values(example))),
    format,
    ...parsing((text) => readDistribution(text, labels), reading),
    similarity,
    leaks: (cot, annotation, { strict = false } = {}) =>
      findLeaks(cot, { answer: format(annotation), ...(strict && { labels }) }),
    validate: (annotation, where) => validateDistribution(annotation, labels, where),
    draw: (annotation) => Object.entries(annotation).map(([label, share]) => ({ type: "bar", label, share })),
  };
}

/**
 * A distribution with all its mass on one label.
 * @throws ConfigError when `label` is not one of `labels`
 * @example
 * oneHot(["cat", "dog"], "dog"); // { cat: 0, dog: 1 }
 */
export function oneHot(labels: readonly string[], label: string): LabelDistribution {
  checkArguments("oneHot", { labels, label }, { labels: listKind(textKind), label: textKind });
  if (!labels.includes(label))
    throw new ConfigError(`oneHot: expected label to be one of ${labels.join(", ")}, got ${shown(label)}`);
  return Object.fromEntries(labels.map((other) => [other, other === label ? 1 : 0]));
}

function checkLabels(labels: readonly string[]): void {
  const fail = (expected: string, got: string) => {
    throw new ConfigError(`classification: expected ${expected}, got ${got}`);
  };
  const byKey = new Map<string, string>();
  for (const label of labels) {
    const key = typeof label === "string" ? labelKey(label) : "";
    if (key === "" || label !== label.trim()) fail("labels that are text without space around it", shown(label));
    if (/["“”\\{}<>\p{Cc}]/u.test(label)) fail('labels without " \\ { } < > and line breaks', JSON.stringify(label));
    const twin = byKey.get(key);
    if (twin !== undefined) fail("labels that differ in more than case and separators", `"${twin}" and "${label}"`);
    byKey.set(key, label);
  }
}

function validateDistribution(annotation: LabelDistribution, labels: readonly string[], where: string): void {
  const value: unknown = annotation;
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    const one = labels.find((label) => label === value);
    const shares = labels.map((label) => `"${label}": ${label === one ? 1 : 0}`).join(", ");
    const advice = one === undefined ? "" : `; write {${shares}}, or oneHot(labels, "${one}")`;
    throw new DataError(`${where}: expected a probability for each label, got ${shown(value)}${advice}`);
  }
  // This comes first, because a misspelled label is also a missing one.
  const unknown = Object.keys(annotation).find((label) => !labels.includes(label));
  if (unknown !== undefined)
    throw new DataError(`${where}: expected the labels ${labels.join(", ")}, got "${unknown}"`);
  for (const label of labels) {
    if (!Object.hasOwn(annotation, label))
      throw new DataError(`${where}: expected every label, got no "${label}"; give it 0 if it does not apply`);
    const value = annotation[label]!;
    if (!(value >= 0 && Number.isFinite(value)))
      throw new DataError(`${where}: expected a probability of at least 0 for "${label}", got ${shown(value)}`);
  }
  const sum = total(annotation);
  if (!isNearOne(sum)) throw new DataError(`${where}: expected a sum of 1, got ${sum}`);
}
