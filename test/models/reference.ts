import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { readSafetensors } from "../../src/models/files/safetensors";
import type { Message, Prompt } from "../../src/types";

// Recorded by test/reference/qwen2-vl/make.py: transformers 5.24.0, torch 2.14.1 (CPU, float32, eager attention), torchvision 0.29.1, Pillow 13.0.0.

export const referenceDir = fileURLToPath(new URL("../reference/data/qwen2-vl-tiny", import.meta.url));
export const checkpointDir = `${referenceDir}/checkpoint`;
export const imagePath = (file: string) => `${referenceDir}/images/${file}`;

type Part = { readonly type: "text"; readonly text: string } | { readonly type: "image"; readonly image: string };

export interface ReferenceCase {
  readonly name: string;
  readonly messages: readonly { readonly role: Message["role"]; readonly content: readonly Part[] }[];
  readonly completion: string;
  readonly ids: readonly number[];
  /** The completion's tokens and the end-of-turn token. */
  readonly completionIds: readonly number[];
  readonly grids: readonly (readonly [number, number, number])[];
  /** Positions of prompt and completion: time, height, width. */
  readonly positions: readonly (readonly number[])[];
  readonly next: number;
  /** Values of the pictures' patches one after another; null without pictures. */
  readonly pixelValuesSha256: string | null;
  readonly gradientNorms: Readonly<Record<string, number>>;
  readonly greedy: Continuation;
  /** With a repetition penalty of 1.5. */
  readonly penalised: Continuation;
  /** Picture tokens among others, as the model's own words. */
  readonly written: Pick<Continuation, "ids" | "logProbs">;
}

interface Continuation {
  readonly ids: readonly number[];
  readonly logProbs: readonly number[];
  readonly smallestMargin: number;
}

interface Reference {
  readonly cases: readonly ReferenceCase[];
  readonly pictures: readonly {
    readonly file: string;
    readonly size: readonly [width: number, height: number];
    readonly sha256: string;
    readonly mean: number;
    readonly resizedTo: readonly [width: number, height: number];
    readonly resizedSha256: string;
    readonly grid: readonly [number, number, number];
    readonly pixelValuesSha256: string;
  }[];
  /** The patches of wide.png, with settings other than the checkpoint's. */
  readonly settings: readonly {
    readonly settings: Readonly<Record<string, unknown>>;
    readonly pixelValuesSha256: string;
  }[];
  /** height, width, factor, min_pixels, max_pixels → height, width; null where transformers refuses. */
  readonly smartResize: readonly {
    readonly arguments: readonly [number, number, number, number, number];
    readonly size: readonly [height: number, width: number] | null;
  }[];
  readonly texts: readonly { readonly text: string; readonly ids: readonly number[] }[];
}

export const reference: Reference = JSON.parse(readFileSync(`${referenceDir}/cases.json`, "utf8"));

/** Arrays by name, "two pictures/logits"; what each is: test/reference/README.md. */
export const referenceArrays = () => readSafetensors(`${referenceDir}/arrays.safetensors`);

/** A case's messages with its pictures as paths. */
export const promptOf = ({ messages }: ReferenceCase): Prompt =>
  messages.map(({ role, content }) => ({
    role,
    content: content.map((part) => (part.type === "image" ? { ...part, image: imagePath(part.image) } : part)),
  }));

export const sha256 = (...arrays: readonly ArrayBufferView[]) => {
  const hash = createHash("sha256");
  for (const { buffer, byteOffset, byteLength } of arrays) hash.update(new Uint8Array(buffer, byteOffset, byteLength));
  return hash.digest("hex");
};

/** Largest |a − b| / (1 + |b|). */
export function largestError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) return Number.POSITIVE_INFINITY;
  let worst = 0;
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs(actual[i]! - expected[i]!) / (1 + Math.abs(expected[i]!));
    // A NaN is the worst of all and must not lose a comparison.
    if (!(error <= worst)) worst = error;
  }
  return worst;
}
