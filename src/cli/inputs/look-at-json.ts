import { dirname } from "node:path";
import { isPlain, type Values } from "../../config/values";
import { readConversation } from "../../datasets/formats/conversation";
import { readJsonElements } from "../../datasets/formats/json-elements";
import { readJsonRows } from "../../datasets/formats/json-rows";
import { counted } from "../../options/display";
import { imageRoot } from "./find-images";
import { type Found, type Look, mostRows } from "./found";

/** Looks at object instances in COCO's format. The file may be larger than memory: COCO's own has 450 MB. */
export const lookAtCoco: Look = async (path) => {
  let [count, categories, name] = [0, 0, ""];
  try {
    for await (const { key, value } of readJsonElements(path, ["images", "categories"]))
      if (key === "categories") categories++;
      else if (count++ === 0) name = String(Object(value).file_name);
  } catch {
    return undefined;
  }
  if (count === 0 || categories === 0) return undefined;
  const images = (await imageRoot(path, name)) ?? dirname(path);
  return {
    what: `COCO's annotations of ${counted(count, "image")}`,
    task: { kind: "detection" },
    data: { format: "coco", path, images },
  };
};

/** Looks at rows of JSON: this library's own, or conversations. */
export const lookAtRows: Look = async (path) => {
  const values: unknown[] = [];
  try {
    for await (const { value } of readJsonRows(path)) if (values.push(value) >= mostRows) break;
  } catch {
    return undefined;
  }
  const rows = values.filter(isPlain);
  const [first] = rows;
  if (first === undefined) return undefined;
  if ("annotation" in first && "image" in first) {
    const task = taskOfAnnotations(rows.map(({ annotation }) => annotation));
    return task && { what: "rows of JSON", task, data: { format: "jsonl", path } };
  }
  const conversations = conversationsOf(rows, path);
  const root = conversations && (await imageRoot(path, String(conversations.image)));
  if (!conversations) return undefined;
  const data = { format: "conversations", path, ...(root !== undefined && root !== dirname(path) && { root }) };
  return { what: "conversations about images", task: conversations.task, data };
};

/** The task that annotations in JSON are of. */
function taskOfAnnotations(annotations: readonly unknown[]): Found["task"] | undefined {
  const shape = annotations.flat().find(isPlain);
  const space = shape?.space === "thousand" ? {} : { space: shape?.space };
  if (shape && "points" in shape) return { kind: "segmentation", ...space };
  if (shape && "width" in shape && "x" in shape) return { kind: "detection", ...space };
  const labels = labelsOf(annotations.filter(isPlain).map(Object.keys));
  return labels.length >= 2 ? { kind: "classification", labels } : undefined;
}

/** The task that conversations are of, as their answers show, and the first image. */
export function conversationsOf(
  rows: readonly Values[],
  path: string,
): { readonly task: Found["task"]; readonly image: unknown } | undefined {
  try {
    const read = rows.map((row) => readConversation(row, path)).filter((row) => "answer" in row);
    const answers = read.map(({ answer }) => answer);
    const task = taskOfAnswers(answers);
    return task && { task, image: read[0]?.images[0] };
  } catch {
    return undefined;
  }
}

function taskOfAnswers(answers: readonly string[]): Found["task"] | undefined {
  if (answers.length === 0) return undefined;
  if (answers.every((answer) => /^\s*\[\s*\[\s*\[/.test(answer))) return { kind: "segmentation" };
  const isSingle = answers.every((answer) => /^\s*\[\s*-?[\d.]/.test(answer));
  if (isSingle) return { kind: "detection", single: true };
  if (answers.every((answer) => /^\s*\[/.test(answer))) return { kind: "detection" };
  const labels = labelsOf(
    answers.map((answer) => [...answer.matchAll(/["']([^"']+)["']\s*:/g)].map(([, name]) => name!)),
  );
  return labels.length >= 2 ? { kind: "classification", labels } : undefined;
}

const labelsOf = (names: readonly (readonly string[])[]) => [...new Set(names.flat())];
