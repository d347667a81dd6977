import type { Graph } from "../../onnx/graph/graph";
import type { Value } from "../../onnx/graph/value";
import type { Tensor } from "../../onnx/runtime/session";
import type { ConfigFiles } from "../files/config-files";
import type { Attention, KeyValues } from "./attention";
import type { VlmConfig } from "./config";
import type { Weights } from "./layers";
import type { PatchPlaces } from "./patch-places";
import type { Grid, HalfTables, RopePositions } from "./positions";

/** The defaults of the family's image processor, for settings that preprocessor_config.json leaves out. */
export interface Preprocessing {
  /** The supported values of `image_processor_type`. */
  readonly processors: readonly string[];
  readonly patchSize: number;
  readonly mergeSize: number;
  readonly minPixels: number;
  readonly maxPixels: number;
  readonly mean: readonly [number, number, number];
  readonly std: readonly [number, number, number];
}

/** A model family, found by the `model_type` of its config.json. */
export interface Family {
  readonly modelType: string;
  /** @throws ConfigError naming each key that the family's network cannot represent */
  read(files: ConfigFiles): Architecture;
}

/**
 * The network of one checkpoint: a family with its configuration. The engine knows nothing else about a model. The
 * network asks for every weight by canonical name and shape, so building it gives the list of a checkpoint's tensors.
 */
export interface Architecture {
  readonly modelType: string;
  readonly config: VlmConfig;
  /** config.json of this configuration, as transformers reads it. */
  configJson(): Record<string, unknown>;

  /** The canonical name of a tensor, from any name that it may be stored under. */
  canonicalName(stored: string): string;
  /** The name that a saved checkpoint gives a tensor. */
  storedName(canonical: string): string;
  /** The module path of a canonical name in transformers 4.52 and later, which PEFT writes. */
  transformersName(canonical: string): string;
  /** Prefix of the vision tower's canonical names. */
  readonly visionPrefix: string;
  /** Prefix of the language model's canonical names, except an untied head. */
  readonly languagePrefix: string;
  /** The module whose matrix is the token embeddings. */
  readonly embeddings: string;
  /** The module whose matrix makes logits: `embeddings` if the two are tied, else `untiedHead`. */
  readonly head: string;
  readonly untiedHead: string;

  /** Features of an image token: 1, plus one for each text layer that gets its own (`vision`). */
  readonly featureCount: number;
  /** The inputs of `vision` besides patches, for one image of this grid. Shapes depend on the grid alone. */
  visionTables(grid: Grid): Readonly<Record<string, Tensor>>;
  /**
   * Image features of images of one grid, each [images · merged patches, hiddenSize]. The first replaces the embeddings
   * of image tokens; feature k + 1 is added to the output of text layer k at image tokens (Qwen3-VL's deepstack).
   * @param patches [images · patches, inChannels · temporalPatchSize · patchSize²]
   * @param tables from `visionTables`, stacked: [images, ...shape]
   */
  vision(g: Graph, weights: Weights, patches: Value, tables: Readonly<Record<string, Value>>): readonly Value[];
  /**
   * The tables that `vision` needs for images of any grids as one sequence of patches, as nodes of `g`: [1, …]. Its
   * graph then has no size of an image in it.
   */
  visionTablesOf(g: Graph, places: PatchPlaces): Readonly<Record<string, Value>>;

  /**
   * One text layer: x [n, hiddenSize] → the same.
   * @param read [m] int64: positions whose output is returned, then [m, hiddenSize] (all)
   */
  layer(
    g: Graph,
    weights: Weights,
    i: number,
    x: Value,
    attention: Attention,
    read?: Value,
  ): KeyValues & { readonly output: Value };
  /** The norm between the last layer and the head. */
  finalNorm(g: Graph, weights: Weights, x: Value): Value;

  /**
   * Positions of a row's tokens.
   * @param promptLength where the model's own tokens begin, among them image tokens (default: all are the prompt's)
   * @throws ShapeError if the prompt's image tokens do not match the grids
   */
  positions(tokens: readonly number[], grids: readonly Grid[], promptLength?: number): RopePositions;
  /** Rotary tables of the language model, [tokens, headDim / 2]. */
  rotary(positions: Pick<RopePositions, "t" | "h" | "w">): HalfTables;
  /** Each of the headDim / 2 angles of `rotary`: a position, of time, height or width (0, 1, 2), times a frequency. */
  readonly rotaryAngles: readonly { readonly axis: number; readonly frequency: number }[];

  readonly preprocessing: Preprocessing;
  /** Chat template (Jinja) for checkpoints without one. An image is one `image` token between vision start and end. */
  readonly chatTemplate: string;
  /** The space of box coordinates that the family was trained on: 0…1, 0…1000, or pixels of the resized image. */
  readonly boxes: "unit" | "thousand" | "pixel";
}
