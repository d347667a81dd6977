import { resolve } from "node:path";
import { compareEvaluations } from "../../evaluation/compare";
import { readEvaluation } from "../../evaluation/directory";
import type { Command } from "../frame/command";
import { decimals, table } from "../frame/output";
import { taskMetrics } from "./evaluate-policy";

/** Compares two evaluations of the same examples. */
export const compare: Command = {
  operands: [
    { name: "A", help: "the folder of an evaluation" },
    { name: "B", help: "the folder of another one, of the same examples" },
  ],
  sections: { short: ["compare"], long: [], without: ["model", "runDir", "resume"] },
  async run(call) {
    const [a, b] = await Promise.all(call.operands.map((dir) => readEvaluation<unknown>(resolve(call.folder, dir!))));
    const config = call.hasConfig ? await call.config() : undefined;
    const result = compareEvaluations(a!, b!, {
      ...config?.compare,
      metrics: config ? taskMetrics(config) : {},
      seed: config?.seed ?? 0,
    });
    const rows = Object.entries(result).map(([name, { a: own, b: other, difference, interval, pValue }]) => [
      name,
      ...[own, other, difference, interval.low, interval.high, pValue].map((number) => decimals(number)),
    ]);
    return { result, text: table([["metric", "A", "B", "A − B", "low", "high", "p"], ...rows]) };
  },
};
