import type { VlmBackend } from "../backend";
import { deriveSeed } from "../rng";
import { createFailures, type FailureSettings, type Failures } from "../runs/examples/failures";
import { answersIdentity, fingerprint } from "../runs/examples/fingerprints";
import type { Task } from "../task";
import type { Log } from "../terminal/log";
import type { Example } from "../types";
import { answerEach } from "./answer-each";
import { keyOf, openEvaluationDirectory } from "./directory";
import { type Answer, hasFailed } from "./records";

/** An annotation to reconstruct from its image and a cot. */
export interface Source<A> {
  readonly example: Example<A>;
  readonly text: string;
}

/** A reconstruction as the model wrote it, or the failure that it had instead. */
export type Reconstruction = Pick<Answer, "text" | "failure">;

export interface Reconstructions<A> {
  of(source: Source<A>): Reconstruction;
  /** Puts the records in order, and writes `audit.json`. */
  finish(figures: object): Promise<void>;
  close(): Promise<void>;
}

export interface ReconstructionSettings<A> extends FailureSettings {
  readonly task: Task<A>;
  readonly dataset: readonly Example<A>[];
  readonly backend: VlmBackend;
  readonly maxTokens: number;
  readonly batchSize: number;
  readonly concurrency: number;
  readonly runDir?: string | undefined;
  readonly resume: boolean;
  readonly seed: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Reconstructs every source greedily, and keeps what came in `runDir`. Equal sources are asked about once.
 *
 * @throws errors that concern every source, and too many failures in a row; what came before is kept
 */
export async function reconstructAll<A>(
  sources: readonly Source<A>[],
  settings: ReconstructionSettings<A>,
  log: Log,
): Promise<Reconstructions<A>> {
  const { task, runDir, resume, seed } = settings;
  const unique = [...new Map(sources.map((source) => [keyOfSource(source), source])).values()];
  const config = runDir === undefined ? {} : await describe(unique, settings);
  const directory = await openEvaluationDirectory(runDir, config, resume, "audit.json");
  try {
    const answers = new Map<string, Answer>();
    for (const [key, answer] of directory.answers) if (answer.isTemporary !== true) answers.set(key, answer);
    const tell = () =>
      log.tell({ type: "progress", part: "reconstructions", done: answers.size, total: unique.length });
    tell();
    const failures = perExample(createFailures("auditCots", settings));
    const hasAnswers = [...answers.values()].some((answer) => !hasFailed(answer));
    const items = unique
      .filter((source) => !answers.has(keyOfSource(source)))
      .map((source) => ({ id: source.example.id, source }));
    const promptOf = ({ source }: (typeof items)[number]) => task.reconstructionPrompt(source.example, source.text);
    const asking = { ...settings, promptOf, failures, hasAnswers, seed: deriveSeed(seed, "audit") };
    await answerEach(items, asking, async (answered) => {
      await directory.append(answered.map(({ item, answer }) => recordOf(item.source, answer)));
      for (const { item, answer } of answered) answers.set(keyOfSource(item.source), answer);
      tell();
    });
    const of = (source: Source<A>) => answers.get(keyOfSource(source))!;
    if (unique.every((source) => hasFailed(of(source)))) failures.checkAny();
    return {
      of,
      finish: (figures) =>
        directory.finish(
          unique.map((source) => recordOf(source, of(source))),
          figures,
        ),
      close: directory.close,
    };
  } catch (error) {
    await directory.close();
    throw error;
  }
}

/** Counts the failures of one example's reconstructions that follow each other once. */
function perExample(failures: Failures): Failures {
  let last: string | undefined;
  return {
    ...failures,
    failed(id, error) {
      if (id !== last) failures.failed(id, error);
      last = id;
    },
    succeeded() {
      failures.succeeded();
      last = undefined;
    },
  };
}

const keyOfSource = ({ example, text }: Source<unknown>) => keyOf({ exampleId: example.id, cot: text });

const recordOf = ({ example, text }: Source<unknown>, answer: Answer) => ({
  exampleId: example.id,
  cot: text,
  ...answer,
});

/** The settings that decide the reconstructions, for `config.json`. */
async function describe<A>(unique: readonly Source<A>[], settings: ReconstructionSettings<A>): Promise<object> {
  const { task, dataset, seed } = settings;
  const prompts = unique.map(({ example, text }) => task.reconstructionPrompt(example, text));
  return {
    pipeline: "auditCots",
    task: task.name,
    dataset: fingerprint(dataset),
    ...(await answersIdentity(prompts, settings)),
    seed,
  };
}
