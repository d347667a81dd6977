import type { ConfigData } from "../../config/data";
import { DataError } from "../../errors";
import { loadImage } from "../../models/inputs/image";
import { counted, listed } from "../../options/display";
import type { Example } from "../../types";
import { table } from "../frame/output";

/** The parts of data, in the order of tables. */
export const parts = ["train", "validation", "test"] as const;

/** Counts the examples, images and annotations of each part. */
export function describeData(data: ConfigData) {
  const counts = Object.fromEntries(
    parts.map((part) => [part, { examples: data[part].length, images: imagesOf(data[part]).size }]),
  ) as Record<(typeof parts)[number], { examples: number; images: number }>;
  const kinds = new Map<string, number>();
  for (const example of data.train) {
    const kind = kindOf(example, data.task);
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  }
  const common = [...kinds].sort(([, a], [, b]) => b - a);
  const text = [
    table([["part", "examples", "images"], ...parts.map((part) => [part, ...Object.values(counts[part]).map(String)])]),
    `To learn from: ${listed(
      common.map(([kind, count]) => `${count} of ${kind}`),
      ", ",
      12,
    )}.`,
  ].join("\n\n");
  return { result: { ...counts, omissions: data.omissions, annotations: Object.fromEntries(common) }, text };
}

const imagesOf = (examples: readonly Example<unknown>[]) => new Set(examples.map(({ image }) => image));

/** The likeliest label of a distribution, the example's category or subject, or what an own task writes. */
function kindOf({ annotation, metadata, subject }: Example<unknown>, task: ConfigData["task"]): string {
  if (typeof metadata?.category === "string") return metadata.category;
  if (Array.isArray(annotation)) return subject ?? counted(annotation.length, "region");
  if (typeof annotation !== "object") return task.format(annotation);
  const [best] = Object.entries(annotation as Readonly<Record<string, number>>).sort(([, a], [, b]) => b - a);
  return best?.[0] ?? "nothing";
}

/** An image that cannot be decoded. */
export interface BadImage {
  readonly example: string;
  readonly reason: string;
}

/** Images that are decoded at the same time. */
const atOnce = 8;

/** Decodes images, at most so many, and returns those that cannot be decoded. */
export async function checkImages(
  data: ConfigData,
  { most = Number.POSITIVE_INFINITY, signal }: { readonly most?: number; readonly signal?: AbortSignal } = {},
): Promise<{ readonly checked: number; readonly bad: readonly BadImage[] }> {
  const examples = parts.flatMap((part) => data[part]);
  const chosen = [...new Map(examples.map((example) => [example.image, example])).values()].slice(0, most);
  const bad: BadImage[] = [];
  const waiting = chosen.values();
  const work = async () => {
    for (const { id, image } of waiting) {
      signal?.throwIfAborted();
      await loadImage(image).catch((error: unknown) => {
        if (!(error instanceof DataError)) throw error;
        bad.push({ example: id, reason: error.message });
      });
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return { checked: chosen.length, bad };
}

/** A sentence about decoded images. */
export const imagesWords = (checked: number, bad: readonly BadImage[]): string =>
  bad.length === 0
    ? `${counted(checked, "image")} can be decoded.`
    : `${bad.length} of ${counted(checked, "image")} cannot be decoded:\n${listed(
        bad.map(({ example, reason }) => `  ${example}: ${reason}`),
        "\n",
        20,
      )}\nMend them, or leave them out with data.onOmission: list.`;
