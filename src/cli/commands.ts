import type { Command } from "./frame/command";

/** A command's line in the help, and its file. */
export interface Listed {
  readonly does: string;
  load(): Promise<Command>;
}

/** All commands, in the order of the help. A new one is a file, and a line here. */
export const commands: Readonly<Record<string, Listed>> = {
  demo: { does: "all of it on a tiny model, in minutes", load: async () => (await import("./stages/demo")).demo },
  init: { does: "looks at your data, and writes a config", load: async () => (await import("./inputs/init")).init },
  data: { does: "checks, converts and exports data", load: async () => (await import("./inputs/data")).data },
  cot: { does: "stage 1: learns to justify annotations", load: async () => (await import("./stages/cot")).cot },
  r1: { does: "stage 2: learns to think, then annotate", load: async () => (await import("./stages/r1")).r1 },
  run: { does: "both stages, the evaluation and the report", load: async () => (await import("./stages/run")).run },
  eval: { does: "measures held-out examples", load: async () => (await import("./results/eval")).evalCommand },
  compare: { does: "compares two evaluations", load: async () => (await import("./results/compare")).compare },
  annotate: {
    does: "annotates images with reasons",
    load: async () => (await import("./results/annotate")).annotate,
  },
  audit: { does: "finds doubtful annotations and thoughts", load: async () => (await import("./results/audit")).audit },
  report: { does: "writes a page about a run", load: async () => (await import("./results/report")).report },
  export: {
    does: "writes a model for transformers.js and browsers",
    load: async () => (await import("./results/export")).exportCommand,
  },
  merge: { does: "folds an adapter into its model", load: async () => (await import("./results/merge")).merge },
  doctor: {
    does: "what this machine has, and a self-test",
    load: async () => (await import("./machine/doctor")).doctor,
  },
  memory: { does: "what a model takes", load: async () => (await import("./machine/memory")).memory },
  plan: {
    does: "what runs take, on a laptop and on 1 to 64 GPUs",
    load: async () => (await import("./machine/plan")).plan,
  },
  completion: { does: "a program for your shell", load: async () => (await import("./machine/completion")).completion },
};
