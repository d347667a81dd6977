import { createRng, type Example, type RatedCot } from "rise-ts";

/** The training of a policy before it is measured. */
export interface Arm {
  readonly row: string;
  /** Cots that SFT learns: those of stage 1, the same ones each beside another picture, none but the bare answer; or no SFT at all. */
  readonly sft: "cots" | "exchanged" | "bare answers" | false;
  /** The row after RFT on top of it, if there is one. */
  readonly rft?: string;
}

export const baseModel = "base model";
export const rise = "RISE";

export const arms: readonly Arm[] = [
  { row: "SFT, bare answers", sft: "bare answers" },
  { row: baseModel, sft: false, rft: "RFT only (Visual-RFT)" },
  { row: "SFT, RISE's cots", sft: "cots", rft: rise },
  { row: "SFT, exchanged cots", sft: "exchanged", rft: "RISE, exchanged cots" },
];

/** The lessons of SFT: pictures with cots and annotations. */
export function lessonsOf<A>(
  sft: Exclude<Arm["sft"], false>,
  train: readonly Example<A>[],
  kept: readonly RatedCot<A>[],
  seed: number,
): readonly RatedCot<A>[] {
  if (sft === "cots") return kept;
  if (sft === "bare answers")
    return train.map(({ id, annotation }) => ({ exampleId: id, annotation, cot: "", reward: 1 }));
  const order = createRng(seed, "exchanged").shuffle(kept);
  return order.map((row, i) => ({ ...row, cot: order[(i + 1) % order.length]!.cot }));
}
