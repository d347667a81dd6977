/** An 8-bit RGB image in memory; `data` holds `height · width · 3` bytes, row by row. */
export interface RawImage {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** An image: a file path, the bytes of an encoded file (PNG, JPEG, WebP, …), or decoded pixels. */
export type ImageSource = string | Uint8Array | RawImage;

/** One image with its annotation: (I, A) in the paper. */
export interface Example<A> {
  /** Unique within a dataset; every record on disk carries it. */
  readonly id: string;
  readonly image: ImageSource;
  readonly annotation: A;
  /** The subject that this example asks about: LISA's phrase, COCO's category. */
  readonly subject?: string;
  readonly metadata?: Readonly<Record<string, unknown>>;
}

/** A part of a message: a text, or an image. */
export type PromptPart =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "image"; readonly image: ImageSource };

/** A message of a chat. */
export interface Message {
  readonly role: "system" | "user" | "assistant";
  readonly content: readonly PromptPart[];
}

/** A chat, ready for a model's own chat template. */
export type Prompt = readonly Message[];

/** A model's output. Token ids and log-probabilities are absent if the backend does not give them. */
export interface Completion {
  readonly text: string;
  /** Ids of the sampled tokens, the end-of-turn token included when it was sampled. */
  readonly tokenIds?: readonly number[];
  /** One per token, nats, under the model's raw distribution (temperature 1, nothing masked). */
  readonly logProbs?: readonly number[];
  /** One per token, nats, under the distribution that was sampled from (temperature, top-p, masked tokens). */
  readonly samplingLogProbs?: readonly number[];
  /**
   * One per token, nats, under softmax(logits / temperature), before top-k, top-p and a repetition penalty: the policy
   * that is trained. Absent if none of these was used; then it equals `samplingLogProbs`.
   */
  readonly temperedLogProbs?: readonly number[];
  readonly finishReason: FinishReason;
  /**
   * The backend's words beside the text, such as a refusal or reasoning that the server split off; absent if there are
   * none.
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
 * A simple polygon, whose edges do not cross: three corners or more in order, either way round, the first not repeated
 * at the end.
 */
export interface Polygon {
  readonly space: BoxSpace;
  readonly points: readonly Point[];
}

/** A corner of a polygon, in the polygon's space. */
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

/** Whether a text has the form that was asked for, and if not, why. */
export type FormatCheck = { readonly ok: true } | { readonly ok: false; readonly reason: string };

/** The size of a piece of work: completions of prompts that resemble `prompt`. */
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

/** An estimate of the memory that a piece of work takes, in bytes. */
export interface MemoryEstimate {
  /** Weights as they are held and used, mapped files included. */
  readonly weights: number;
  /** Gradients, and the optimiser's state. */
  readonly optimizer: number;
  /** Values that live at the same time while a graph runs. */
  readonly activations: number;
  /** Scores of a whole vocabulary, beside the activations. */
  readonly logits: number;
  /** Node and native code. */
  readonly runtime: number;
  /** Compiled graphs that are kept for prompts of other lengths, at most; `checkMemory` counts them. */
  readonly graphs?: number;
  /** The sum. */
  readonly total: number;
  /** The memory of the machine, or of the container if that is less. */
  readonly available: number;
}
