import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { BackendError, ConfigError, DataError } from "../../errors";
import { packagePath } from "../../files/package-path";

/** The parts of transformers.js that are used here; its own types are too wide for a custom processor. */
export interface Library {
  readonly env: { readonly version: string };
  readonly Tensor: new (dtype: string, data: BigInt64Array | Float32Array, dims: readonly number[]) => Tensor;
  readonly RawImage: new (data: Uint8Array, width: number, height: number, channels: number) => object;
  readonly DynamicCache: new (entries: object) => Cache;
  readonly Qwen2VLImageProcessor: unknown;
  readonly cat: (tensors: readonly Tensor[], axis: number) => Tensor;
  readonly AutoProcessor: { from_pretrained(model: string, options: object): Promise<Processor> };
  readonly AutoModelForImageTextToText: { from_pretrained(model: string, options: object): Promise<Model> };
}

export interface Tensor {
  readonly data: BigInt64Array | Float32Array;
  readonly dims: readonly number[];
  readonly location: string;
}

export type Inputs = Readonly<Record<string, Tensor>> & { readonly input_ids: Tensor };

export interface Processor {
  readonly components: { readonly tokenizer: Tokenizer; readonly image_processor: ImageProcessor };
  apply_chat_template(chat: unknown, options: object): string;
  _call(...args: readonly unknown[]): Promise<Inputs>;
}

export interface Tokenizer {
  readonly bos_token?: string | null;
  readonly all_special_tokens: readonly string[];
  readonly _tokenizerJSON?: { readonly normalizer?: unknown };
  encode(text: string, options: object): number[];
  decode(ids: readonly number[], options: object): string;
}

export interface ImageProcessor {
  _call(images: readonly object[], ...args: readonly unknown[]): Promise<Readonly<Record<string, Tensor>>>;
  readonly config: Readonly<Record<string, unknown>>;
  /** The last four: Qwen2-VL's processor and its like. */
  readonly constructor: unknown;
  readonly patch_size?: number;
  readonly merge_size?: number;
  readonly min_pixels?: number;
  readonly max_pixels?: number;
}

export interface Model {
  readonly config: Readonly<Record<string, unknown>>;
  readonly generation_config: Readonly<Record<string, unknown>> | null;
  generate(options: object): Promise<{ readonly past_key_values: Cache }>;
  _get_text_only_rope_index?(ids: Tensor, mask: Tensor): readonly [positions: Tensor, deltas: Tensor];
  dispose(): Promise<unknown>;
}

/** Keys and values by name; a function among them frees those on a GPU. */
export type Cache = Readonly<Record<string, Tensor>> & { dispose(): Promise<void> };

export interface OpenOptions {
  readonly dtype?: unknown;
  readonly device?: unknown;
  readonly session?: object | undefined;
}

export interface Opened {
  readonly library: Library;
  readonly model: Model;
  readonly processor: Processor;
  /** Whether its processor takes images before the text. */
  readonly imagesFirst: boolean;
  /** Whether its processor finds a place for a second image. */
  readonly oneImage: boolean;
}

/** The processors of transformers.js 4.3.1 that take a chat, by the order of their arguments. */
const processors = {
  textFirst: [
    ...["Qwen2VLProcessor", "Qwen2_5_VLProcessor", "Qwen3VLProcessor", "Glm46VProcessor"],
    ...["Idefics3Processor", "SmolVLMProcessor", "Gemma3Processor", "Gemma3nProcessor", "Gemma4Processor"],
  ],
  imagesFirst: ["LlavaProcessor", "PixtralProcessor", "Lfm2VlProcessor"],
  /** They replace the first image's token only. */
  oneImage: ["LlavaProcessor", "PixtralProcessor"],
} as const;

/** Why other processors of images and text are refused. */
const refused: Readonly<Record<string, string>> = {
  Florence2Processor: "its model takes the names of fixed tasks, not instructions",
  PaliGemmaProcessor: "its model has no chat template",
  VLChatProcessor: "its model has a form of conversation of its own",
  Phi3VProcessor: "its model has a prompt format of its own",
};

/** The library as the program finds it, or else as the cache has it. */
const transformersJs = (): Promise<Library> =>
  import("@huggingface/transformers").catch(async (error: NodeJS.ErrnoException) => {
    if (error.code !== "ERR_MODULE_NOT_FOUND" && error.code !== "MODULE_NOT_FOUND") throw error;
    return (await import(pathToFileURL(packagePath("@huggingface/transformers")).href)).default;
  }) as Promise<unknown> as Promise<Library>;

/**
 * Loads transformers.js, and a model with its processor.
 * @throws DataError for a path that does not exist; ConfigError for a class of processor that is not supported;
 * BackendError for whatever transformers.js refuses
 */
export async function openTransformersJs(name: string, { dtype, device, session }: OpenOptions): Promise<Opened> {
  const library = await transformersJs();
  const { path, ...from } = await placeOf(name);
  const failed = (what: string) => (cause: unknown) => {
    throw new BackendError(`${name}: transformers.js could not load its ${what}: ${messageOf(cause)}`, {
      cause,
      scope: "backend",
    });
  };
  const processor = await library.AutoProcessor.from_pretrained(path, from).catch(failed("processor"));
  const className = Object.entries(library).find(([, value]) => value === processor.constructor)?.[0] ?? "none";
  const isOneOf = (list: readonly string[]) => list.includes(className);
  if (!isOneOf([...processors.textFirst, ...processors.imagesFirst])) {
    const known = [...processors.textFirst, ...processors.imagesFirst].join(", ");
    const own = Object.hasOwn(refused, className) ? refused[className] : undefined;
    const reason = own ?? "preprocessor_config.json names it as processor_class";
    throw new ConfigError(`${name}: expected one of the processors ${known}; got ${className}: ${reason}`);
  }
  const options = { ...from, dtype: dtype ?? null, device: device ?? null, session_options: session ?? {} };
  const model = await library.AutoModelForImageTextToText.from_pretrained(path, options).catch(failed("model"));
  mendTextPositions(library, model);
  return {
    library,
    model,
    processor,
    imagesFirst: isOneOf(processors.imagesFirst),
    oneImage: isOneOf(processors.oneImage),
  };
}

const hubId = /^(\w[\w.-]*\/\w[\w.-]*)(?:@([\w./-]+))?$/;

/** The place that transformers.js loads a model from; a folder is never looked for in the network. */
async function placeOf(name: string) {
  const isFolder = await stat(name).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (isFolder) return { path: resolve(name), local_files_only: true };
  const [, id, revision = "main"] = hubId.exec(name) ?? [];
  if (id === undefined)
    throw new DataError(`${name}: expected a folder with an ONNX model, or a hub id "owner/name", got neither`);
  return { path: id, revision };
}

/**
 * transformers.js 4.3.1 gives tokens after a prompt without images wrong positions (Qwen2-VL and its successors): it
 * adds the prompt's length to the next position instead of subtracting it.
 */
function mendTextPositions({ Tensor }: Library, model: Model): void {
  const own = model._get_text_only_rope_index?.bind(model);
  if (!own) return;
  model._get_text_only_rope_index = (ids, mask) => {
    const [positions] = own(ids, mask);
    const next = (positions.data as BigInt64Array).at(-1)! + 1n;
    return [positions, new Tensor("int64", BigInt64Array.of(next - BigInt(ids.dims[1]!)), [1, 1])];
  };
}

const messageOf = (cause: unknown) => (cause instanceof Error ? cause.message : String(cause));
