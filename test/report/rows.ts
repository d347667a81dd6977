import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createRng } from "../../src/rng";
import { classification } from "../../src/tasks/classification";
import type { Example, LabelDistribution } from "../../src/types";

export const moods = classification({ labels: ["calm", "wild"], name: "moods" });

/** Small images of one colour each. */
export const examples = (count: number): Example<LabelDistribution>[] =>
  Array.from({ length: count }, (_, i) => ({
    id: `picture-${i}`,
    image: { width: 8, height: 4, data: new Uint8Array(96).fill(i % 256) },
    annotation: { calm: 0.75, wild: 0.25 },
  }));

/** One rollout as `rollouts.jsonl` has it. */
export interface Row {
  readonly step: number;
  readonly exampleId: string;
  readonly index: number;
  readonly cot: { readonly text: string; readonly finishReason: string };
  readonly reward: {
    readonly reward: number;
    readonly leaks: readonly object[];
    readonly format: { readonly ok: boolean };
  };
}

const words = "the picture shows a quiet street under heavy rain while people smile and a dog waits".split(" ");

/**
 * Rollouts of groups of eight, four examples in a step: cots of 70 words, one in ten leaks, one in fourteen cannot be
 * read, and one in 22 is cut off.
 */
export function rollouts(count: number, ids: readonly string[]): Row[] {
  const rng = createRng(0, "rows");
  return Array.from({ length: count }, (_, i) => {
    const group = Math.floor(i / 8);
    const text = Array.from({ length: 70 }, () => words[rng.integer(words.length)]).join(" ");
    const isRead = i % 14 !== 3;
    const leaks = i % 10 === 4 ? [{ kind: "percent", text: text.slice(4, 9), start: 4, end: 9 }] : [];
    const reward = isRead && leaks.length === 0 ? rng.uniform() : 0;
    return {
      stage: "train",
      step: 1 + Math.floor(group / 4),
      truth: { calm: 0.75, wild: 0.25 },
      exampleId: ids[group % ids.length]!,
      index: i % 8,
      cot: { text, finishReason: i % 22 === 5 ? "length" : "stop" },
      reconstruction: { text: isRead ? "{'calm': 0.50, 'wild': 0.50}" : "no idea", finishReason: "stop" },
      prediction: isRead ? { calm: 0.5, wild: 0.5 } : null,
      reward: {
        reward,
        similarity: reward,
        leaks,
        format: isRead ? { ok: true } : { ok: false, reason: "unreadable" },
      },
      advantage: reward - 0.5,
    };
  });
}

export interface RunFiles {
  readonly rollouts?: readonly object[];
  readonly metrics?: readonly object[];
  readonly cots?: readonly object[];
  readonly config?: object;
}

/** Writes the files of a run; the metrics are those of as many steps as the rollouts have. */
export async function writeRun(folder: string, { rollouts = [], metrics, cots = [], config = {} }: RunFiles) {
  await mkdir(folder, { recursive: true });
  const steps = Math.max(1, ...rollouts.map((row) => (row as Row).step));
  const made = Array.from({ length: steps }, (_, i) => ({
    ...{ stage: "train", step: i + 1, reward: 0.5 + i / (4 * steps), reward_std: 0.1, "rise/leak_rate": 0.1 },
    ...{ learning_rate: 1e-5, grad_norm: 0.3, kl: 0.01, num_tokens: 1000 * (i + 1) },
  }));
  const jsonl = (rows: readonly object[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join("");
  const timings = made.map(({ step }) => ({ stage: "train", step, step_time: 2, peak_memory: 1.5e9 }));
  await writeFile(join(folder, "rollouts.jsonl"), jsonl(rollouts));
  await writeFile(join(folder, "metrics.jsonl"), jsonl(metrics ?? made));
  await writeFile(join(folder, "timings.jsonl"), jsonl(timings));
  await writeFile(join(folder, "cots.jsonl"), jsonl(cots));
  await writeFile(join(folder, "prompts.json"), JSON.stringify({ cot: "<image>\nWhich mood?" }));
  await writeFile(join(folder, "config.json"), JSON.stringify({ pipeline: "rise-cot", task: "moods", ...config }));
  return folder;
}

/** D_RISE with these rewards. */
export const cots = (rewards: readonly number[], ids: readonly string[]) =>
  rewards.map((reward, i) => ({
    ...{ exampleId: ids[i]!, cot: `cot number ${i}`, annotation: { calm: 0.75, wild: 0.25 } },
    ...{ reward, similarity: reward, imageOnlySimilarity: 0.1, cotGain: reward - 0.1 },
  }));
