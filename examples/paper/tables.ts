import { type Arm, answersOnly, baseModel, gpt4o, rise, type Shots, tempted, visualRft } from "./arms";
import type { Role } from "./data";

/** `winRate`: share of examples where the row has a lower JSD than RISE. `kept`: share of D_RISE that SFT learns from. `leaks`: share of these cots that leak. */
export type Measure = "jsd" | "winRate" | "accuracy" | "ap50" | "kept" | "leaks";

export interface Column {
  readonly role: Role;
  readonly measure: Measure;
  readonly shots: Shots;
}

/** A table of the paper: arms × data sets. */
export interface Table {
  readonly number: number;
  readonly title: string;
  readonly columns: readonly Column[];
  readonly rows: readonly { readonly label: string; readonly arm: Arm }[];
}

const shots: readonly Shots[] = [4, 16, "full"];
const columns = (role: Role, measures: readonly Measure[], each: readonly Shots[] = ["full"]): Column[] =>
  each.flatMap((count) => measures.map((measure) => ({ role, measure, shots: count })));

const methods: Table["rows"] = [
  { label: "Base model", arm: baseModel },
  { label: "GPT-4o", arm: gpt4o },
  { label: "SFT (answers only)", arm: answersOnly },
  { label: "Visual-RFT", arm: visualRft },
  { label: "RISE", arm: rise },
];
const complex = [...columns("emotion6", ["jsd"]), ...columns("lisa", ["ap50"])];
const complexWithShare = [...columns("emotion6", ["jsd", "kept"]), ...columns("lisa", ["ap50", "kept"])];

export const tables: readonly Table[] = [
  {
    number: 1,
    title: "Comparisons on complex tasks",
    columns: [...columns("emotion6", ["jsd", "winRate"], shots), ...columns("lisa", ["ap50"], shots)],
    rows: methods,
  },
  {
    number: 2,
    title: "Comparisons on simple tasks",
    columns: [...columns("imagenet-sub", ["accuracy"], shots), ...columns("coco-sub", ["ap50"], shots)],
    rows: methods,
  },
  {
    number: 3,
    title: "Sources of the cots",
    columns: complex,
    rows: [
      { label: "Base-Model-CoT", arm: { ...rise, cots: "base" } },
      { label: "GPT-4o-CoT", arm: { ...rise, cots: "gpt-4o" } },
      { label: "RISE-CoT", arm: rise },
    ],
  },
  {
    number: 4,
    title: "SFT and RFT in RISE-R1",
    columns: complex,
    rows: [
      { label: "SFT Full", arm: { ...rise, sft: "full", rft: false } },
      { label: "SFT High", arm: { ...rise, rft: false } },
      { label: "RFT (Visual-RFT)", arm: visualRft },
      { label: "SFT Full + RFT", arm: { ...rise, sft: "full" } },
      { label: "SFT High + RFT", arm: rise },
    ],
  },
  {
    number: 5,
    title: "Parts of the reward of RISE-CoT",
    columns: [...columns("emotion6", ["jsd", "kept", "leaks"]), ...columns("lisa", ["ap50", "kept", "leaks"])],
    rows: [
      { label: "Full reward", arm: tempted },
      { label: "Similarity-Only", arm: { ...tempted, reward: "similarityOnly" } },
      { label: "No-Leakage-Removal", arm: { ...tempted, reward: "withoutLeakGate" } },
      { label: "No-Format-Removal", arm: { ...tempted, reward: "withoutFormatGate" } },
    ],
  },
  {
    number: 6,
    title: "Reward threshold τ",
    columns: complexWithShare,
    rows: [0.65, 0.75, 0.85].map((threshold) => ({ label: `τ = ${threshold}`, arm: { ...rise, threshold } })),
  },
];
