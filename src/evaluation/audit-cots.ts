import type { VlmBackend } from "../backend";
import { checkCots } from "../cots/check";
import { ConfigError, DataError } from "../errors";
import {
  bootstrapInterval,
  type Counts,
  type Interval,
  type ResamplingOptions,
  resamplingSpec,
  weightedMean,
} from "../metrics/bootstrap";
import { count, flag, given, readOptions, specOf, text } from "../options/spec";
import { createRng } from "../rng";
import type { RatedCot } from "../rollouts";
import { checkExamples } from "../runs/examples/check-examples";
import type { FailureOptions } from "../runs/examples/failures";
import { checkIdle } from "../runs/run-options";
import type { Task } from "../task";
import { openLog } from "../terminal/log";
import { shortNumber } from "../terminal/text";
import type { Example, Leak } from "../types";
import { type Reconstruction, reconstructAll } from "./reconstructions";
import { type AnswerOptions, answerSpec, failureSpec } from "./spec-parts";

/** Options of `auditCots`. */
export interface AuditCotsOptions<A> extends AnswerOptions<A>, ResamplingOptions, Omit<FailureOptions, "onFailure"> {
  readonly dataset: readonly Example<A>[];
  /** The cots to judge: `riseCot`'s `dataset`, or rows of `cots.jsonl`. An example may have several. */
  readonly cots: readonly Pick<RatedCot<A>, "exampleId" | "cot">[];
  /**
   * The model that reconstructs: the policy that wrote the cots measures their worth to itself, another their worth.
   */
  readonly backend: VlmBackend;
  /** Tokens of a reconstruction (256). */
  readonly maxTokens?: number;
  /** Reconstructions in one `generate` call (48). */
  readonly batchSize?: number;
  /**
   * The folder where reconstructions are written as they come, and `audit.json` at the end. Without it, nothing is
   * written.
   */
  readonly runDir?: string;
  /** Resumes the audit in `runDir`, if there is one, and asks only for what is missing (false). */
  readonly resume?: boolean;
  /**
   * The treatment of a cot if the backend fails in one of its reconstructions ("record"): its row says why, and all its
   * similarities are 0, so that an empty cot is as good; or the estimates leave it out ("exclude"); or the call throws.
   * A failure that concerns every cot always throws.
   */
  readonly onFailure?: "record" | "exclude" | "throw";
}

export const auditCotsSpec = specOf<AuditCotsOptions<unknown>>()(() => ({
  ...answerSpec(),
  dataset: given("an array of examples").describe("The examples that the cots are of"),
  cots: given("an array of { exampleId, cot }").describe("The cots to judge; an example may have several"),
  backend: answerSpec().backend.describe("The model that reconstructs"),
  maxTokens: count().default(256).describe("Tokens of a reconstruction"),
  batchSize: count().default(48).describe("Reconstructions in one `generate` call"),
  runDir: text().optional().describe("Folder where reconstructions are written as they come"),
  resume: flag().default(false).describe("Resume the audit in `runDir`, if there is one"),
  ...failureSpec(),
  onFailure: failureSpec().onFailure.describe("The treatment of a cot for which the backend fails"),
  ...resamplingSpec(),
}));

/** The worth of one cot. */
export interface CotAudit {
  readonly exampleId: string;
  readonly cot: string;
  /** Numbers that give the annotation away, and label names (kind "class-name"). */
  readonly leaks: readonly Leak[];
  readonly words: number;
  /**
   * S(A, Â) of the likeliest reconstruction from the image and this cot, no cot, and a cot of an example with another
   * annotation.
   */
  readonly similarity: { readonly own: number; readonly empty: number; readonly other: number };
  /** `own − empty`. */
  readonly cotGain: number;
  /** The backend's failure, if a reconstruction is missing. */
  readonly failure?: string;
}

/** A mean, and its bootstrap interval over examples. */
export interface Estimate extends Interval {
  readonly mean: number;
}

/** The worth of cots beyond the image, on average and one by one. */
export interface CotsAudit {
  /** In the order of `cots`. */
  readonly cots: readonly CotAudit[];
  /** Cots that failed; `onFailure` says whether the estimates count them. */
  readonly failures: number;
  /** Share of the cots with a leak of each kind. */
  readonly leakRates: Readonly<Record<string, number>>;
  /** Words of a cot: the shortest, the middle, the longest. */
  readonly words: { readonly min: number; readonly median: number; readonly max: number };
  readonly similarity: { readonly own: Estimate; readonly empty: Estimate; readonly other: Estimate };
  readonly cotGain: Estimate;
  /** Share of the cots that an empty cot equals or beats. */
  readonly emptyAsGood: Estimate;
  /** Share of the cots that a cot of an example with another annotation equals or beats. */
  readonly otherAsGood: Estimate;
}

/**
 * Measures the worth of cots: reconstructs each annotation from the image with its cot, with an empty cot, and with a
 * cot about an image with another annotation. A cot that an empty one can replace explains nothing; a cot that a
 * stranger's can replace explains nothing about its image. This goes beyond RISE, which keeps only rewards.
 *
 * Each reconstruction is asked for once, however many cots share it.
 *
 * @throws ConfigError for cots of fewer than two annotations; DataError for a cot without its example in the dataset,
 * and for a dataset that does not fit the task; CheckpointError for a `runDir` with another audit; BackendError or
 * DataError for a failure that concerns every cot, too many in a row, or all of them
 * @example
 * const { cotGain, emptyAsGood } = await auditCots({ task, dataset, cots, backend });
 */
export async function auditCots<A>(options: AuditCotsOptions<A>): Promise<CotsAudit> {
  const settings = readOptions("auditCots", options, auditCotsSpec);
  const { task, dataset, cots, onFailure, seed } = settings;
  checkIdle("auditCots", options);
  checkExamples(task, dataset);
  checkCots(cots);
  const examples = new Map(dataset.map((example) => [example.id, example]));
  const own = cots.map(({ exampleId, cot }) => {
    const example = examples.get(exampleId);
    if (!example) throw new DataError(`auditCots: no example of the dataset has the id "${exampleId}"`);
    return { example, cot };
  });
  if (own.length === 0) throw new ConfigError("auditCots: expected cots of two annotations or more, got no cot");
  const others = strangers(
    own.map(({ example: { id, annotation }, cot }) => ({ id, cot, text: task.format(annotation) })),
    seed,
  );
  const log = openLog("auditCots", settings.log);
  try {
    const texts = own.map(({ example, cot }, i) => [cot, "", others[i]!].map((text) => ({ example, text })));
    const reconstructed = await reconstructAll(texts.flat(), settings, log);
    try {
      const audits = own.map((row, i) => auditOf(row, texts[i]!.map(reconstructed.of), task));
      const succeeded = audits.filter(({ failure }) => failure === undefined);
      const counted = onFailure === "exclude" ? succeeded : audits;
      const figures = { failures: audits.length - succeeded.length, ...summarise(counted, settings) };
      await reconstructed.finish(figures);
      log.close(
        `cots gain ${shortNumber(figures.cotGain.mean)} in similarity; ${figures.failures} of ${audits.length} failed`,
      );
      return { cots: audits, ...figures };
    } finally {
      await reconstructed.close();
    }
  } finally {
    log.close();
  }
}

/**
 * Lends each cot the first cot of the next example with another annotation, in an order drawn by seed. Examples with
 * the same annotation may borrow the same cot.
 */
function strangers(
  cots: readonly { readonly id: string; readonly text: string; readonly cot: string }[],
  seed: number,
) {
  const firsts = new Map([...cots].reverse().map((row) => [row.id, row]));
  const order = createRng(seed, "strangers").shuffle([...firsts.values()]);
  const lent = new Map<string, string | undefined>();
  // Backwards, and twice around: an example before one of the same annotation borrows the same cot.
  for (let i = 2 * order.length - 1; i >= 0; i--) {
    const [borrower, next] = [order[i % order.length]!, order[(i + 1) % order.length]!];
    lent.set(borrower.id, next.text === borrower.text ? lent.get(next.id) : next.cot);
  }
  return cots.map(({ id, text }) => {
    const cot = lent.get(id);
    if (cot === undefined)
      throw new ConfigError(`auditCots: expected cots of two annotations or more, got only ${text}`);
    return cot;
  });
}

/** Finds words of languages without spaces, too. */
const segmenter = new Intl.Segmenter("en", { granularity: "word" });

/** Judges a cot by the reconstructions from it, from no cot, and from another's. */
function auditOf<A>(
  { example: { id, annotation }, cot }: { readonly example: Example<A>; readonly cot: string },
  reconstructions: readonly Reconstruction[],
  task: Task<A>,
): CotAudit {
  const failure = reconstructions.find(({ failure }) => failure !== undefined)?.failure;
  const [own, empty, other] = reconstructions.map(({ text }) => {
    const prediction = failure === undefined ? task.parse(text) : null;
    return prediction === null ? 0 : task.similarity(annotation, prediction);
  }) as [number, number, number];
  return {
    exampleId: id,
    cot,
    leaks: task.leaks(cot, annotation, { strict: true }),
    words: [...segmenter.segment(cot)].filter(({ isWordLike }) => isWordLike).length,
    similarity: { own, empty, other },
    cotGain: own - empty,
    ...(failure !== undefined && { failure }),
  };
}

function summarise(
  audits: readonly CotAudit[],
  { level, resamples, seed }: Required<ResamplingOptions>,
): Omit<CotsAudit, "cots" | "failures"> {
  // Cots of one example are not independent, so the bootstrap draws examples with all their cots.
  const examples = [...new Set(audits.map(({ exampleId }) => exampleId))];
  const place = new Map(examples.map((id, i) => [id, i]));
  const owner = audits.map(({ exampleId }) => place.get(exampleId)!);
  const estimate = (value: (audit: CotAudit) => number): Estimate => {
    const mean = weightedMean(audits.map(value));
    const ofExamples = (counts: Counts) => mean(Uint32Array.from(owner, (i) => counts[i]!));
    return {
      mean: ofExamples(new Uint32Array(examples.length).fill(1)),
      ...bootstrapInterval(examples.length, ofExamples, { level, resamples, seed }),
    };
  };
  const kinds = new Set(audits.flatMap(({ leaks }) => leaks.map(({ kind }) => kind)));
  const share = (kind: string) =>
    audits.filter(({ leaks }) => leaks.some((leak) => leak.kind === kind)).length / audits.length;
  const lengths = audits.map(({ words }) => words).sort((a, b) => a - b);
  const middle = (lengths[(lengths.length - 1) >> 1]! + lengths[lengths.length >> 1]!) / 2;
  return {
    leakRates: Object.fromEntries([...kinds].sort().map((kind) => [kind, share(kind)])),
    words: { min: lengths[0]!, median: middle, max: lengths.at(-1)! },
    similarity: {
      own: estimate(({ similarity }) => similarity.own),
      empty: estimate(({ similarity }) => similarity.empty),
      other: estimate(({ similarity }) => similarity.other),
    },
    cotGain: estimate(({ cotGain }) => cotGain),
    emptyAsGood: estimate(({ similarity: { own, empty } }) => (empty >= own ? 1 : 0)),
    otherAsGood: estimate(({ similarity: { own, other } }) => (other >= own ? 1 : 0)),
  };
}
