import { type Completion, classification, type Example, evaluate, type LabelDistribution } from "rise-ts";
import { type OpenaiBackendOptions, openaiBackend } from "rise-ts/backends/openai";
import { describeBackend } from "rise-ts/testing";
import { moods } from "../../../examples/pictures/moods";
import { moodLabels, moodQuestion } from "../../../examples/pictures/questions";
import { tinyCheckpoint } from "../../../examples/scale/trl/data";
import { lawChecks } from "../law-checks";
import type { Check, Leg, LegTools } from "../leg";
import { startProgram, untilReady } from "../program";
import { servedEnvironment } from "../served-environment";

const port = 18_123;
/** Its prompts ask for <think>, which the server takes out of the answer. */
const task = classification({ labels: moodLabels, question: "Which mood do people connect with this image?" });
const doSample = { generation_config: '{"do_sample": true, "top_k": 0}' };

/** Every difference between `transformers serve` 5.24 and the usual endpoint: mended by `openaiBackend`, or named. */
export const serve: Leg = {
  name: "transformers-serve",
  does: "openaiBackend against `transformers serve` with the tiny model",
  environment: servedEnvironment,
  run: serveChecks,
};

async function* serveChecks({ python, scratch }: LegTools): AsyncGenerator<Check, void> {
  const model = await tinyCheckpoint(scratch);
  const args = ["-m", "transformers.cli.transformers", "serve", model, "--host", "127.0.0.1", "--port", String(port)];
  const program = startProgram(python, [...args, "--device", "cpu"], { HF_HUB_OFFLINE: "1" });
  const open = (options: Partial<OpenaiBackendOptions> = {}) =>
    openaiBackend({ baseUrl: `http://127.0.0.1:${port}/v1`, model, retries: 1, ...options });
  try {
    await untilReady(program, `http://127.0.0.1:${port}/health`);
    const { test } = await moods({ seed: 1, train: 0, test: 4, unseen: 0 });
    const prompts = test.map((example) => task.answerPrompt(example));
    yield* lawChecks("openaiBackend, transformers serve", (runner) =>
      describeBackend(
        runner,
        "transformers serve",
        async () => open({ omitFields: ["stop"], extraBody: doSample, requestsAtOnce: 1 }),
        {
          prompts: prompts.slice(0, 2),
          maxTokens: 24,
          callsOnPromptEnd: true,
          capabilities: { logProbs: false, tokenIds: false, reproducible: false },
        },
      ),
    );
    yield* reasoningChecks(open, prompts, test);
    yield* samplingChecks(open, prompts);
    yield* refusalChecks(open, prompts);
  } finally {
    await program.end();
  }
}

/** The server moves what stands between <think> and </think> into a field of its own. */
async function* reasoningChecks(
  open: Open,
  prompts: Prompts,
  dataset: readonly Example<LabelDistribution>[],
): AsyncGenerator<Check, void> {
  const answers = async (options: Partial<OpenaiBackendOptions>) =>
    (await open(options).generate(prompts, { seed: 1, maxTokens: 128 })).map(([completion]) => completion!);
  const isWhole = ({ text }: Completion) => /^<think>.+<\/think>/s.test(text);
  const split = await answers({ joinReasoning: false });
  const moved = split.map(({ remark = "" }) => remark.includes("reasoning_content"));
  yield {
    what: "without joinReasoning no answer has its <think>",
    ok: !split.some(isWhole) && moved.includes(true),
    detail: `${moved.filter(Boolean).length} of ${split.length} thoughts are elsewhere`,
  };
  const joined = await answers({});
  yield {
    what: "prompts that ask for <think> get it back",
    ok: joined.every((answer, i) => isWhole(answer) === moved[i]),
  };
  // This question does not speak of <think>.
  const demo = { task: classification(moodQuestion), dataset, maxTokens: 128 };
  const { metrics } = await evaluate({ ...demo, backend: open({ joinReasoning: true }) });
  const { formatRate } = metrics;
  yield {
    what: "joinReasoning: true makes answers whole",
    ok: formatRate >= 0.75,
    detail: `format rate ${formatRate}`,
  };
}

type Open = (options?: Partial<OpenaiBackendOptions>) => ReturnType<typeof openaiBackend>;
type Prompts = Parameters<ReturnType<Open>["generate"]>[0];

async function* samplingChecks(open: Open, prompts: Prompts): AsyncGenerator<Check, void> {
  const warnings: string[] = [];
  const listen = (warning: Error & { code?: string }) => void (warning.code && warnings.push(warning.code));
  process.on("warning", listen);
  const generation = { count: 4, maxTokens: 24, seed: 1 };
  const distinct = async (options: object, sampling: object = {}) => {
    const [group] = await open(options).generate(prompts.slice(0, 1), { ...generation, ...sampling });
    return new Set(group!.map(({ text }) => text)).size;
  };
  const unsampled = await distinct({});
  // Warnings are emitted in the next turn.
  await new Promise((resolve) => setImmediate(resolve));
  process.off("warning", listen);
  yield {
    what: "equal samples of a checkpoint without do_sample are warned of",
    ok: unsampled === 1 && warnings.includes("RISE_EQUAL_SAMPLES"),
    detail: `${unsampled} different of 4; ${warnings.join(", ")}`,
  };
  const sampled = await distinct({ extraBody: doSample });
  yield { what: "the remedy in that warning makes them different", ok: sampled > 1, detail: `${sampled} of 4` };
  const shaped = await distinct({}, { topK: 20, repetitionPenalty: 1.05 });
  yield { what: "topK and repetitionPenalty arrive, and samples differ", ok: shaped > 1, detail: `${shaped} of 4` };
  const narrow = await distinct({}, { topK: 1 });
  yield { what: "topK: 1 is greedy", ok: narrow === 1, detail: `${narrow} different of 4` };
}

async function* refusalChecks(open: Open, prompts: Prompts): AsyncGenerator<Check, void> {
  const ask = (options: Partial<OpenaiBackendOptions>, sampling: object = {}) =>
    open(options).generate(prompts.slice(0, 1), { seed: 1, maxTokens: 8, ...sampling });
  for (const [what, options, sampling, words] of [
    ["log-probs that do not come are an error", { logProbs: true }, {}, /200: expected log-probs/],
    [
      "stop texts: 500 with what to change",
      {},
      { stop: ["x"] },
      /500: Internal Server Error; .*omitFields: \["stop"\]/,
    ],
    [
      "another model: 400 in the server's words",
      { model: "tiny" },
      {},
      /400: Server is pinned to '.*'; requested 'tiny'/,
    ],
    ["an unknown field: 422 with what to change", { extraBody: { foo: 1 } }, {}, /422: .*'foo'.*out of extraBody/],
  ] as const) {
    const message = await ask(options, sampling).then(
      () => "no error",
      (error: Error) => error.message,
    );
    yield { what, ok: words.test(message), detail: message.slice(0, 300) };
  }
  const after = await ask({ retries: 0 });
  yield { what: "a request after a 500 is answered", ok: after.length === 1 };
}
