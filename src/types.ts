/** An 8-bit RGB picture in memory; `data` holds `height · width · 3` bytes, row by row. */
export interface RawImage {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** A picture: a file path, the bytes of an encoded file (PNG, JPEG, WebP, …), or decoded pixels. */
export type ImageSource = string | Uint8Array | RawImage;

/** One image with its annotation: (I, A) in the paper. */
export interface Example<A> {
  /** Unique within a dataset; every record on disk carries it. */
  readonly id: string;
  readonly image: ImageSource;
  readonly annotation: A;
  /** What this example asks about: LISA's phrase, COCO's category. */
  readonly subject?: string;
  readonly metadata?: Readonly<Record<string, unknown>>;
}

export type PromptPart =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "image"; readonly image: ImageSource };

export interface Message {
  readonly role: "system" | "user" | "assistant";
  readonly content: readonly PromptPart[];
}

/** A chat, ready for a model's own chat template. */
export type Prompt = readonly Message[];

/** What a model wrote. Token ids and log-probabilities are absent where a backend has none. */
export interface Completion {
  readonly text: string;
  /** Ids of the sampled tokens, the end-of-turn token included when it was sampled. */
  readonly tokenIds?: readonly number[];
  /** One per token, nats, under the model's raw distribution (temperature 1, nothing masked). */
  readonly logProbs?: readonly number[];
  /** One per token, nats, under the distribution that was sampled from (temperature, top-p, masked tokens). */
  readonly samplingLogProbs?: readonly number[];
  /**
   * One per token, nats, under softmax(logits / temperature), whatever top-k, top-p and a repetition penalty made of
   * it: the policy that is trained. Absent where none of these was used; then `samplingLogProbs` are such.
   */
  readonly temperedLogProbs?: readonly number[];
  readonly finishReason: FinishReason;
  /**
   * What the backend says beside the text, such as a refusal or reasoning that the server split off; absent if it says
   * nothing.
   */
  readonly remark?: string;
}

/**
 * Why a completion ended: by itself or at a stop text, at the token limit, by a content filter, or for another reason
 * that a server gave.
 */
export type FinishReason = "stop" | "length" | "content_filter" | "other";

/** Probability of each label. */
export type LabelDistribution = Readonly<Record<string, number>>;

/**
 * `unit`: fractions of the image. `thousand`: fractions times 1000 (Qwen2-VL, Qwen3-VL). `pixel`: pixels of one given
 * image size.
 */
export type BoxSpace = "unit" | "thousand" | "pixel";

/** An axis-aligned box: top-left corner and size, in a named coordinate space. */
export interface Box {
  readonly space: BoxSpace;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/**
 * A simple polygon, its edges crossing nowhere: three corners or more in order, either way round, the first not
 * repeated at the end.
 */
export interface Polygon {
  readonly space: BoxSpace;
  readonly points: readonly Point[];
}

export type Point = readonly [x: number, y: number];

/**
 * A shape that shows an annotation: a box, a polygon or a point over the image, in a named coordinate space, or a bar
 * beside it. Labels are plain text.
 */
export type DrawnShape =
  | (Box & { readonly type: "box"; readonly label?: string })
  | (Polygon & { readonly type: "polygon"; readonly label?: string })
  | {
      readonly type: "point";
      readonly space: BoxSpace;
      readonly x: number;
      readonly y: number;
      readonly label?: string;
    }
  | {
      readonly type: "bar";
      readonly label: string;
      /** Length of the bar, from 0 to 1. */
      readonly share: number;
    };

/** A place in a cot that gives the annotation away. */
export interface Leak {
  readonly kind: string;
  readonly text: string;
  /** Offset of the first character in the cot. */
  readonly start: number;
  /** Offset after the last character. */
  readonly end: number;
}

export type FormatCheck = { readonly ok: true } | { readonly ok: false; readonly reason: string };

/** Completions of prompts that are like one of them. */
export interface Workload {
  readonly prompt: Prompt;
  /** How many such prompts, and completions of each. */
  readonly prompts: number;
  readonly count: number;
  /** Tokens of a completion. */
  readonly maxTokens: number;
  /** Whether training takes gradients of entropies, too (false). */
  readonly entropies?: boolean;
}

/** What a piece of work takes of a machine's memory, foreseen, in bytes. */
export interface MemoryEstimate {
  /** As they are held and used, with what lies in mapped files. */
  readonly weights: number;
  /** Gradients, and what the optimiser remembers. */
  readonly optimizer: number;
  /** Alive at once while a graph runs. */
  readonly activations: number;
  /** Beside these, scores of a whole vocabulary. */
  readonly logits: number;
  /** Node and native code. */
  readonly runtime: number;
  /** Compiled graphs that are kept for prompts of other lengths, at most; `checkMemory` counts them. */
  readonly graphs?: number;
  /** The sum. */
  readonly total: number;
  /** What the machine has, or the container if it has less. */
  readonly available: number;
}
