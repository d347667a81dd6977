/**
 * How well wrong annotations are found: 8 % of the demo's moods are replaced by those of another picture with another prevailing mood, and the audit
 * is asked which. Each half of the pictures is judged by a policy that went through RISE-CoT and SFT on the other half, wrong annotations
 * included, so that none has seen the annotation it judges.
 *
 *   npx tsx bench/audits.ts [--seeds 3] [--first 0]        about 5 minutes a seed on a quiet machine
 *
 * Ranked beside `auditAnnotations`, by the same policies: the loss of the annotation after a thought of the policy's own (mean −log-prob of its tokens),
 * and what a rollout earns on average. Precision at k: of the k most suspect, the share that was planted. Then what `auditCots` says of the cots.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { wholeNumber } from "../examples/command-line";
import { answerMaxTokens, cotOptions, groupSize, learningRates, moodRates, sampling } from "../examples/demo/settings";
import { moodsDemo } from "../examples/demo/tasks";
import { likeliest } from "../examples/paper/data";
import { deviation, mean } from "../examples/statistics";
import { formatThinkAnswer, parseThinkAnswer } from "../src/checks/think-answer";
import { type AuditAnnotationsOptions, auditAnnotations } from "../src/evaluation/audit-annotations";
import { auditCots, type CotsAudit } from "../src/evaluation/audit-cots";
import { answerReward } from "../src/reward/paper";
import { riseCot } from "../src/rise/rise-cot";
import { riseR1 } from "../src/rise/rise-r1";
import { sampleAnswers } from "../src/rise/sample";
import { createRng } from "../src/rng";
import type { AnswerRollout } from "../src/rollouts";
import type { Trainer } from "../src/trainer";
import { onnxTrainer } from "../src/trainers/onnx";
import type { Example, LabelDistribution } from "../src/types";
import { median } from "./measure";

type Moods = LabelDistribution;

const model = fileURLToPath(new URL("../examples/tiny-vlm/checkpoint", import.meta.url));
const { task } = moodsDemo;
const pictures = 448;
const wrongShare = 0.08;
const steps = { cot: 8, sft: 176 } as const;

const { values } = parseArgs({
  options: { seeds: { type: "string", default: "3" }, first: { type: "string", default: "0" } },
});
const first = wholeNumber("--first", values.first, 0);
const seeds = Array.from({ length: wholeNumber("--seeds", values.seeds) }, (_, i) => first + i);

/** `wrongShare` of the annotations taken from a picture whose likeliest mood is another. */
function plant(data: readonly Example<Moods>[], seed: number) {
  const rng = createRng(seed, "planted");
  const chosen = rng.shuffle(data.map((_, i) => i)).slice(0, Math.round(wrongShare * data.length));
  const wrong = new Map(
    chosen.map((i) => {
      const { id, annotation } = data[i]!;
      const others = data.filter((other) => likeliest(other.annotation) !== likeliest(annotation));
      return [id, others[rng.integer(others.length)]!.annotation];
    }),
  );
  return {
    wrong: new Set(wrong.keys()),
    data: data.map((example) => ({ ...example, annotation: wrong.get(example.id) ?? example.annotation })),
  };
}

interface Judged {
  readonly exampleId: string;
  readonly annotation: string;
  /** First example of those the judge was trained on. */
  readonly judge: string;
  readonly rollouts: readonly AnswerRollout<Moods>[];
  /** Mean −log-prob of the annotation's tokens. */
  readonly loss: number;
  /** The policy's own half, with the first of its examples. */
  readonly cots?: CotsAudit;
}

/** Trains on one half and judges the other. */
async function judge(
  train: readonly Example<Moods>[],
  asked: readonly Example<Moods>[],
  seed: number,
): Promise<Judged[]> {
  const out = await mkdtemp(join(tmpdir(), "rise-audits-"));
  const trainer = await onnxTrainer({ model, device: "cpu" });
  try {
    const common = { task, dataset: train, seed, preflight: false };
    const cot = await riseCot({
      ...{ ...common, trainer, groupSize, examplesPerStep: 8, steps: steps.cot, sampling },
      ...{ learningRate: cotOptions(moodRates).learningRate, runDir: join(out, "cot") },
    });
    const cots = await auditCots({
      ...{ task, dataset: train, cots: cot.dataset, backend: trainer.sampler(), seed },
      maxTokens: sampling.reconstructionMaxTokens,
    });
    await riseR1({
      ...{ ...common, trainer, cots: cot.dataset, rft: false, runDir: join(out, "sft") },
      sft: { steps: steps.sft, batchSize: 16, learningRate: learningRates.sft(steps.sft), lossType: "token" },
    });
    const judged: Judged[] = [];
    for (let first = 0; first < asked.length; first += 16) {
      const examples = asked.slice(first, first + 16);
      const sampled = await sampleAnswers<Moods>({
        ...{ task, backend: trainer.sampler(), examples, groupSize, seed, reward: answerReward },
        sampling: { temperature: 1, maxTokens: answerMaxTokens },
        signal: new AbortController().signal,
      });
      const rollouts = sampled.map(({ rollout }) => rollout);
      const losses = await annotationLosses(trainer, examples, rollouts);
      examples.forEach(({ id, annotation }, i) => {
        const own = rollouts.filter(({ exampleId }) => exampleId === id);
        judged.push({
          ...{ exampleId: id, annotation: task.format(annotation), judge: train[0]!.id },
          ...{ rollouts: own, loss: losses[i]! },
        });
      });
    }
    return [{ ...judged[0]!, cots }, ...judged.slice(1)];
  } finally {
    await trainer.dispose();
    await rm(out, { recursive: true });
  }
}

/** The annotation's cost after the policy's first thought about the picture. */
async function annotationLosses(
  trainer: Trainer,
  examples: readonly Example<Moods>[],
  rollouts: readonly AnswerRollout<Moods>[],
): Promise<number[]> {
  const answered = examples.map((example) => {
    const texts = rollouts.filter(({ exampleId }) => exampleId === example.id).map(({ completion }) => completion.text);
    const think = texts.map(parseThinkAnswer).find((parts) => parts !== null)?.think ?? "";
    const whole = trainer.encode(formatThinkAnswer(think, task.format(example.annotation)));
    const before = trainer.encode(formatThinkAnswer(think, "")).length;
    return { prompt: task.answerPrompt(example), completion: whole, answer: whole.length - before };
  });
  const logProbs = await trainer.logProbs(answered);
  // The tags and the end after the answer are as many tokens as they are of an empty one.
  return logProbs.map((row, i) => {
    const { answer, completion } = answered[i]!;
    const tail = trainer.encode("</answer>").length;
    const of = row.subarray(completion.length - tail - answer, completion.length - tail);
    return -of.reduce((sum, value) => sum + value, 0) / of.length;
  });
}

type Ranking = Readonly<Record<string, { readonly atK: number; readonly atHalf: number; readonly ap: number }>>;

function rank(judged: readonly Judged[], dataset: readonly Example<Moods>[], wrong: ReadonlySet<string>): Ranking {
  const rollouts = judged.flatMap((row) => row.rollouts);
  const audited = (options?: AuditAnnotationsOptions<Moods>) =>
    new Map(auditAnnotations(rollouts, task, options).map((row) => [row.exampleId, row]));
  const [suspicion, without] = [audited({ dataset }), audited()];
  const by = (score: (row: Judged) => number) => quality(judged, score, wrong);
  const centred = (score: (row: Judged) => number) => by(centre(judged, score));
  return {
    auditAnnotations: by(({ exampleId }) => suspicion.get(exampleId)!.suspicion),
    "without the dataset": by(({ exampleId }) => without.get(exampleId)!.suspicion),
    "mean similarity": by(({ exampleId }) => -suspicion.get(exampleId)!.similarity),
    loss: by(({ loss }) => loss),
    "loss, centred": centred(({ loss }) => loss),
    "similarity, centred": centred(({ exampleId }) => -suspicion.get(exampleId)!.similarity),
  };
}

/** The score less the middle one of those that have the same annotation and the same judge: an annotation that is hard to write is no mistake. */
function centre(judged: readonly Judged[], score: (row: Judged) => number): (row: Judged) => number {
  const isAlike = (a: Judged, b: Judged) => a.annotation === b.annotation && a.judge === b.judge;
  return (row) => score(row) - median(judged.filter((other) => isAlike(row, other)).map(score));
}

function quality(judged: readonly Judged[], score: (row: Judged) => number, wrong: ReadonlySet<string>) {
  const ranked = [...judged].sort((a, b) => score(b) - score(a)).map(({ exampleId }) => wrong.has(exampleId));
  const precisionAt = (k: number) => ranked.slice(0, k).filter(Boolean).length / k;
  const hits = ranked.flatMap((hit, i) => (hit ? [precisionAt(i + 1)] : []));
  return {
    atK: precisionAt(wrong.size),
    atHalf: precisionAt(Math.round(wrong.size / 2)),
    ap: hits.reduce((sum, value) => sum + value, 0) / wrong.size,
  };
}

function print(results: readonly Result[]): void {
  const shown = (values: readonly number[]) =>
    `${mean(values).toFixed(3)}${values.length > 1 ? ` ± ${deviation(values).toFixed(3)}` : ""}`;
  const count = Math.round(wrongShare * pictures);
  console.log(`\n${count} of ${pictures} annotations wrong; ${seeds.length} seeds, mean ± standard deviation\n`);
  console.log(`${"".padEnd(20)} precision@${count}    precision@${count / 2}    average precision`);
  for (const name of Object.keys(results[0]!.ranking)) {
    const of = (measure: "atK" | "atHalf" | "ap") => shown(results.map(({ ranking }) => ranking[name]![measure]));
    console.log(`${name.padEnd(20)} ${of("atK")}   ${of("atHalf")}   ${of("ap")}`);
  }
  console.log(`${"by chance".padEnd(20)} ${wrongShare.toFixed(3)}, whatever the measure`);
  const audits = results.flatMap(({ cots }) => cots);
  const say = (name: string, value: (audit: CotsAudit) => number) =>
    console.log(`${name.padEnd(42)} ${shown(audits.map(value))}`);
  console.log(`\nauditCots, ${audits.length} stages of ${pictures / 2} cots\n`);
  say("similarity with the cot", ({ similarity }) => similarity.own.mean);
  say("similarity without one", ({ similarity }) => similarity.empty.mean);
  say("similarity with another picture's", ({ similarity }) => similarity.other.mean);
  say("cotGain", ({ cotGain }) => cotGain.mean);
  say("share that an empty cot does as well as", ({ emptyAsGood }) => emptyAsGood.mean);
  say("share that another's cot does as well as", ({ otherAsGood }) => otherAsGood.mean);
  say("words of a cot, middle", ({ words }) => words.median);
  say(
    "share with a number that leaks",
    ({ cots }) => cots.filter(({ leaks }) => leaks.some(({ kind }) => kind !== "class-name")).length / cots.length,
  );
  say("share that names a label", ({ leakRates }) => leakRates["class-name"] ?? 0);
  console.log(JSON.stringify({ bench: "audits", results: results.map(({ seed, ranking }) => ({ seed, ranking })) }));
}

interface Result {
  readonly seed: number;
  readonly ranking: Ranking;
  readonly cots: readonly CotsAudit[];
}

async function auditSeed(seed: number): Promise<Result> {
  const { train } = await moodsDemo.data({ seed, train: pictures, test: 0, unseen: 0 });
  const { data, wrong } = plant(train, seed);
  const [some, others] = [data.slice(0, pictures / 2), data.slice(pictures / 2)];
  const judged = [...(await judge(others, some, seed)), ...(await judge(some, others, seed))];
  return { seed, ranking: rank(judged, data, wrong), cots: judged.flatMap(({ cots }) => cots ?? []) };
}

const results: Result[] = [];
for (const seed of seeds) {
  results.push(await auditSeed(seed));
  console.log(JSON.stringify(results.at(-1)!.ranking));
}
print(results);
