import type { Grid } from "./positions";

/** The part of a family's configuration that everything outside the family reads. */
export interface VlmConfig {
  readonly text: {
    readonly vocabSize: number;
    readonly hiddenSize: number;
    readonly layers: number;
    readonly heads: number;
    readonly kvHeads: number;
    /** Size of one head; not always hiddenSize / heads. */
    readonly headDim: number;
    readonly tieWordEmbeddings: boolean;
    /** The model's limit on tokens of a prompt and its completion. */
    readonly contextLength: number;
  };
  readonly vision: {
    readonly patchSize: number;
    readonly temporalPatchSize: number;
    readonly spatialMergeSize: number;
    readonly inChannels: number;
  };
  readonly tokens: SpecialTokens;
}

/** Ids of the special tokens. */
export interface SpecialTokens {
  readonly image: number;
  readonly video: number;
  readonly visionStart: number;
  readonly visionEnd: number;
  /** Any of these ends a turn; the first is the one written after training targets. */
  readonly eos: readonly number[];
  readonly pad: number;
}

/** Image tokens of an image of this grid. */
export const mergedTokens = ([t, h, w]: Grid, { vision }: VlmConfig): number =>
  (t * h * w) / vision.spatialMergeSize ** 2;

/** Length of one patch's vector. */
export const patchWidth = ({ vision }: VlmConfig): number =>
  vision.inChannels * vision.temporalPatchSize * vision.patchSize ** 2;
