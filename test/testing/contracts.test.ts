import { describe, expect, it } from "vitest";
import { rating } from "../../examples/own-task/rating";
import type { VlmBackend } from "../../src/backend";
import { findLeaks } from "../../src/checks/leakage";
import { ConfigError } from "../../src/errors";
import { adamw, type GradientTransform } from "../../src/optim";
import { imagePrompt } from "../../src/prompts/template";
import { createRng } from "../../src/rng";
import type { Task } from "../../src/task";
import {
  describeBackend,
  describeDataset,
  describeOptimizer,
  describeTask,
  describeTrainer,
  scriptedTrainer,
  type TestRunner,
} from "../../src/testing";
import type { Trainer } from "../../src/trainer";
import type { Example } from "../../src/types";

/** Runs a suite by hand: what became of each law. */
async function outcomes(
  suite: (runner: TestRunner) => void,
): Promise<Readonly<Record<"failed" | "skipped", string[]>>> {
  const laws: (readonly [name: string, body: () => void | Promise<void>])[] = [];
  const skipped: string[] = [];
  const last: (() => Promise<void>)[] = [];
  const it = Object.assign((name: string, body: () => void | Promise<void>) => void laws.push([name, body]), {
    skip: (name: string) => void skipped.push(name),
  });
  suite({ describe: (_, body) => body(), it, afterAll: (body) => void last.push(body) });
  const failed: string[] = [];
  for (const [name, body] of laws) await Promise.resolve(body()).catch(() => failed.push(name));
  for (const body of last) await body();
  return { failed, skipped };
}

const task = rating({ question: "How crowded is this place?" });
const taskLaws = (own: Task<number>, extra: object = {}) =>
  outcomes((runner) =>
    describeTask(runner, "rating", {
      task: own,
      annotation: (rng) => 1 + rng.integer(5),
      answers: ["rating: 4", "rating: 6", "4/5"],
      ...extra,
    }),
  );
/** Spends time that grows with the square of the text. */
const slowly = (text: string) => {
  let sum = 0;
  for (let i = 0; i < text.length ** 2 / 8; i++) sum += i;
  return sum < 0 ? text : "";
};

describe("describeTask", () => {
  it("passes for a task that keeps its promises, and skips what does not apply with its reason", async () => {
    const { failed, skipped } = await taskLaws(task);
    expect(failed).toEqual([]);
    expect(skipped).toHaveLength(3);
    for (const name of skipped)
      expect(name).toMatch(/\(skipped: the (task repairs nothing|contract has no such sentences)\)$/);
    const { draw: _, ...silent } = task;
    expect((await taskLaws(silent)).skipped).toHaveLength(6);
  });

  it.each<readonly [law: string, broken: Partial<Task<number>>]>([
    ["reads back what it writes", { format: (a) => `rating: ${a === 3 ? 2 : a}` }],
    ["reads back what it writes from prose", { parse: (text) => (text.includes("```") ? null : task.parse(text)) }],
    ["overlooks nothing in what it writes", { repairs: () => ["odd"] }],
    ["never throws on what a model wrote", { parse: (text) => (text.includes("]") ? fail() : task.parse(text)) }],
    ["parses in linear time", { parse: (text) => task.parse(slowly(text) + text) }],
    ["accepts the annotations it writes", { validate: () => fail() }],
    ["names the place of what is no annotation", { validate: (a) => task.validate(a, "somewhere") }],
    ["names the place of what is no annotation", { validate: (a) => void a.toFixed() }],
    ["gives an annotation similarity 1 to itself", { similarity: () => 0.9 }],
    ["keeps similarity within [0, 1]", { similarity: (a, b) => 1 - (a - b) }],
    ["finds a leak in a cot that is the answer itself", { leaks: () => [] }],
    [
      "points every leak at the characters",
      { leaks: (cot) => [{ kind: "all", text: "no such text", start: 0, end: cot.length }] },
    ],
    ["puts the image first", { answerPrompt: () => [...imagePrompt("a.png", "?"), ...imagePrompt("b.png", "?")] }],
    ["shows the annotation when asking for a cot", { cotPrompt: task.answerPrompt }],
    ["shows the annotation when asking for a cot", { answerPrompt: task.cotPrompt }],
    ["does not read its own instructions", { answerPrompt: ({ image }) => imagePrompt(image, "rating: 4") }],
    ["draws every annotation inside", { draw: () => [{ type: "point", space: "unit", x: 2, y: 0 }] }],
    ["draws every annotation inside", { draw: () => [{ type: "bar", label: "a", share: 1.5 }] }],
    [
      "draws every annotation inside",
      { draw: () => [{ type: "box", space: "pixel", x: 0, y: 0, width: 999, height: 9 }] },
    ],
    ["draws the same each time", { draw: () => [{ type: "bar", label: String(drawn++), share: 1 }] }],
    ["draws whatever it parsed", { draw: () => [{ type: "bar", label: 5 as unknown as string, share: 1 }] }],
    ["draws whatever it parsed", { draw: () => [{ type: "point", space: "unit", x: Number.NaN, y: 0 }] }],
  ])("fails “%s” for a task that breaks it, %#", async (law, broken) => {
    // Only one of them is about time, and this law takes the longest.
    const skip = law.startsWith("parses") ? {} : { "parses in linear time": "not in question" };
    const { failed } = await taskLaws({ ...task, ...broken }, { image: { width: 100, height: 100 }, skip });
    expect(failed.map((name) => name.slice(0, law.length))).toContain(law);
  });

  it("fails a task that overlooks a leak in a sentence that tells the annotation", async () => {
    const tells = (rating: number) => [`I would give it ${["one", "two", "three", "four", "five"][rating - 1]}.`];
    expect((await taskLaws(task, { tells })).failed).toEqual([]);
    const blind = { ...task, leaks: (cot: string, a: number) => findLeaks(cot, { answer: task.format(a) }) };
    expect((await taskLaws(blind, { tells })).failed).toEqual([
      "finds a leak in every sentence that tells the annotation",
    ]);
  });

  it("refuses to skip a law that does not exist, and skips one that does", async () => {
    const law = "finds a leak in a cot that is the answer itself";
    const skip = { [law]: "ratings cannot leak" };
    expect((await taskLaws({ ...task, leaks: () => [] }, { skip })).failed).toEqual([]);
    expect((await taskLaws(task, { skip })).skipped).toContain(`${law} (skipped: ratings cannot leak)`);
    await expect(taskLaws(task, { skip: { "finds leaks": "no" } })).rejects.toThrow(ConfigError);
  });
});
let drawn = 0;

const prompts = [imagePrompt("cat.png", "What is this?"), imagePrompt("dog.png", "What is this?")] as const;
const texts = ["a small grey cat", "nobody knows"] as const;
const sampler = () => scriptedTrainer({ texts: [...texts, "one cup", "two cups", "a dog"] }).sampler();
const backendLaws = (change: (backend: VlmBackend) => Partial<VlmBackend>, extra: object = {}) =>
  outcomes((runner) => {
    const backend = sampler();
    describeBackend(runner, "own", async () => ({ ...backend, ...change(backend) }), { prompts, ...extra });
  });
let calls = 0;

describe("describeBackend", () => {
  it("passes for a backend that keeps its promises, and skips with a reason what it does not claim", async () => {
    expect(await backendLaws(() => ({}))).toEqual({
      failed: [],
      skipped: [expect.stringContaining("(skipped: the backend does not call onPromptEnd)")],
    });
    const capabilities = { logProbs: false, tokenIds: false, reproducible: false };
    const { failed, skipped } = await backendLaws(() => ({ capabilities }), { capabilities });
    expect(failed).toEqual([]);
    expect(skipped).toHaveLength(6);
  });

  it.each<readonly [law: string, change: (backend: VlmBackend) => VlmBackend["generate"]]>([
    ["writes the asked number", (own) => (asked, options) => own.generate(asked, { ...options, count: 1 })],
    ["gives the same completions", (own) => (asked, options) => own.generate(asked, { ...options, seed: calls++ })],
    ["gives the same completions", (own) => (asked, options) => own.generate(asked, { ...options, seed: 1 })],
    [
      "writes completion k of prompt i",
      (own) => (asked, options) => own.generate(asked, { ...options, seed: options.seed + 22 * asked.length }),
    ],
    ["draws different completions", (own) => (asked, options) => own.generate(asked, { ...options, temperature: 0 })],
    [
      "writes the same at temperature 0",
      (own) => (asked, options) => own.generate(asked, { ...options, temperature: 1 }),
    ],
    [
      "stops after maxTokens",
      (own) =>
        (asked, { maxTokens: _, ...rest }) =>
          own.generate(asked, rest),
    ],
    [
      "ends a completion before a stop text",
      (own) =>
        (asked, { stop: _, ...rest }) =>
          own.generate(asked, rest),
    ],
    [
      "refuses to begin",
      (own) =>
        (asked, { signal: _, ...rest }) =>
          own.generate(asked, rest),
    ],
    [
      "gives token ids",
      (own) => async (asked, options) =>
        (await own.generate(asked, options)).map((group) => group.map(({ tokenIds: _, ...rest }) => rest)),
    ],
    [
      "gives a log-prob of at most 0",
      (own) => async (asked, options) =>
        (await own.generate(asked, options)).map((group) => group.map((one) => ({ ...one, logProbs: [0.1] }))),
    ],
  ])("fails “%s” for a backend that breaks it, %#", async (law, change) => {
    const { failed } = await backendLaws((own) => ({ generate: change(own) }));
    expect(failed.map((name) => name.slice(0, law.length))).toContain(law);
  });

  it("fails for capabilities and calls of onPromptEnd that are promised and missing", async () => {
    const capabilities = { logProbs: true, tokenIds: false, reproducible: true };
    const { failed } = await backendLaws(() => ({ capabilities }), { callsOnPromptEnd: true });
    expect(failed).toEqual([
      "claims the capabilities it is held to",
      "tells onPromptEnd what it returns, and of every prompt",
    ]);
  });

  it("refuses a runner that could not dispose of the backend", () => {
    const { describe, it } = { describe: () => {}, it: Object.assign(() => {}, { skip: () => {} }) };
    expect(() => describeBackend({ describe, it }, "own", async () => sampler(), { prompts })).toThrow(ConfigError);
  });
});

const trainerLaws = (change: (trainer: Trainer) => Partial<Trainer>) =>
  outcomes((runner) => {
    const create = async () => {
      const trainer = scriptedTrainer({ texts });
      return { ...trainer, ...change(trainer) };
    };
    describeTrainer(runner, "own", create, { prompts, texts });
  });

describe("describeTrainer", () => {
  it("passes for a trainer that keeps its promises", async () => {
    expect(await trainerLaws(() => ({}))).toEqual({ failed: [], skipped: [] });
  });

  it.each<readonly [law: string, change: (trainer: Trainer) => Partial<Trainer>]>([
    ["makes a completion likelier", (own) => ({ optimStep: () => own.optimStep({ learningRate: -1 }) })],
    ["makes a completion less likely", (own) => ({ optimStep: () => own.optimStep({ learningRate: 0 }) })],
    ["remembers the policy it started as", (own) => ({ logProbs: (sequences) => own.logProbs(sequences) })],
    ["divides logits", (own) => ({ logProbs: (all, { temperature: _, ...rest } = {}) => own.logProbs(all, rest) })],
    ["samples the policy as it is", () => ({ sampler })],
    ["is the same after save and load", () => ({ load: async () => {} })],
    ["forgets on load", () => ({ load: async () => {} })],
    [
      "refuses to begin",
      (own) => ({ forwardBackward: (all, loss, { signal: _, ...o } = {}) => own.forwardBackward(all, loss, o) }),
    ],
    ["refuses a step without a gradient", () => ({ optimStep: async () => ({ gradNorm: 1 }) })],
  ])("fails “%s” for a trainer that breaks it", async (law, change) => {
    const { failed } = await trainerLaws(change);
    expect(failed.map((name) => name.slice(0, law.length))).toContain(law);
  });
});

const examples: readonly Example<number>[] = [
  { id: "a", image: new Uint8Array(1), annotation: 1 },
  { id: "b", image: new Uint8Array(1), annotation: 5 },
];
const datasetLaws = (load: () => readonly Example<number>[]) =>
  outcomes((runner) => describeDataset(runner, "own", async () => load(), { task }));

describe("describeDataset", () => {
  it("passes for a data set that keeps its promises", async () => {
    expect(await datasetLaws(() => examples)).toEqual({ failed: [], skipped: [] });
  });

  it.each<readonly [law: string, load: () => readonly Example<number>[]]>([
    ["has at least one example", () => []],
    ["gives each example an id of its own", () => [examples[0]!, examples[0]!]],
    ["has annotations that its task accepts", () => [{ ...examples[0]!, annotation: 9 }]],
    ["names images that exist", () => [{ ...examples[0]!, image: "no-such-image.png" }]],
    ["gives the same examples in the same order each time", () => createRng(calls++).shuffle([...examples, ...others])],
  ])("fails “%s” for a data set that breaks it", async (law, load) => {
    expect((await datasetLaws(load)).failed).toEqual([law]);
  });
});
const others = Array.from({ length: 30 }, (_, i) => ({ ...examples[0]!, id: `other ${i}` }));

const optimizerLaws = (create: () => GradientTransform) =>
  outcomes((runner) => describeOptimizer(runner, "own", create));
const changed = (update: (own: GradientTransform) => GradientTransform["update"]) => () => {
  const own = adamw();
  return { ...own, update: update(own) };
};

describe("describeOptimizer", () => {
  it.each<readonly [law: string, create: () => GradientTransform]>([
    [
      "starts at step 0 and counts one",
      changed((own) => (gradients, state, params, step) => own.update(gradients, { ...state }, params, step)),
    ],
    [
      "continues to the bit",
      changed((own) => {
        let steps = 0;
        return (gradients, state, params, { learningRate }) =>
          own.update(gradients, state, params, { learningRate: learningRate / ++steps });
      }),
    ],
    [
      "moves nothing at a learning rate of 0",
      changed((own) => (gradients, state, params) => own.update(gradients, state, params, { learningRate: 0.01 })),
    ],
    [
      "goes downhill",
      changed((own) => (gradients, state, params, step) => {
        for (const row of gradients.values()) row.forEach((g, i) => void (row[i] = -g));
        own.update(gradients, state, params, step);
      }),
    ],
    [
      "refuses gradients that do not match",
      changed((own) => (gradients, state, params, step) => {
        state.step += 1;
        own.update(gradients, state, params, step);
        state.step -= 1;
      }),
    ],
    ["finds no fault with a state of its own", () => ({ ...adamw(), problemWith: () => "odd" })],
  ])("fails “%s” for an optimizer that breaks it", async (law, create) => {
    expect((await optimizerLaws(create)).failed.map((name) => name.slice(0, law.length))).toContain(law);
  });
});

function fail(): never {
  throw new TypeError("broken");
}
