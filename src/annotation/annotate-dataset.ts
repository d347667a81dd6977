import { CheckpointError, DataError } from "../errors";
import { answerEach } from "../evaluation/answer-each";
import { type Answer, answerOf } from "../evaluation/records";
import { listed, shown as quoted } from "../options/display";
import { readOptions } from "../options/spec";
import { isInShard, parseShard, proveShard } from "../runs/directory/shards";
import { createFailures, type Failures } from "../runs/examples/failures";
import { answersIdentity } from "../runs/examples/fingerprints";
import { untilInterrupted } from "../runs/interrupts";
import { checkLog } from "../runs/progress/listen";
import { createRun, failedRun, type Run } from "../runs/run";
import { checkIdle } from "../runs/run-options";
import type { Task } from "../task";
import type { Example } from "../types";
import { type AnnotateDatasetOptions, type AnnotateSettings, annotateDatasetSpec } from "./annotate-dataset-options";
import type { AnnotateDatasetEvent, AnnotateDatasetResult } from "./events";
import { type Found, findImages, type Item } from "./images";
import { listenToImages } from "./listen";
import { annotationRow } from "./rows";
import { type AnnotationStore, type AnnotationStream, isUnreadable, type Known, openStore } from "./store";

/**
 * Annotates many images, with reasons: the model's likeliest answer to each, in batches.
 *
 * With a `runDir` every answer is on the disk before the next event, a killed process loses none, and `resume` asks
 * for no image twice. An image that cannot be read gets a row that says why. Await it for the result, or iterate it for
 * its events.
 *
 * @throws ConfigError at once for wrong options. The run rejects with DataError for images that cannot be listed or
 * that share an id, CheckpointError for a `runDir` with another task, backend, prompt or shard, and BackendError for a
 * failure that concerns every image
 * @example
 * const { annotations, failed } = await annotateDataset({ task, backend, images: "photos", runDir: "runs/photos" });
 * for await (const { id, answer, think } of annotations) console.log(id, answer, think);
 */
export function annotateDataset<A>(
  options: AnnotateDatasetOptions<A>,
): Run<AnnotateDatasetEvent<A>, AnnotateDatasetResult<A>> {
  let settings: AnnotateSettings<A>;
  try {
    settings = readOptions(name, options, annotateDatasetSpec);
    checkIdle(name, options);
    checkLog(settings.log);
  } catch (error) {
    return failedRun(error);
  }
  const { signal, log } = settings;
  const words = { kept: "answers", underWay: "the answers under way" };
  const annotate = (stop: AbortSignal | undefined, end: AbortSignal) => annotateImages({ ...settings, stop }, end);
  return createRun((end) => untilInterrupted(name, settings, words, (stop) => annotate(stop, end)), {
    signal,
    name,
    alwaysListens: Boolean(log),
    listen: () => listenToImages(name, settings),
  });
}

const name = "annotateDataset";

async function* annotateImages<A>(
  settings: AnnotateSettings<A>,
  signal: AbortSignal,
): AsyncGenerator<AnnotateDatasetEvent<A>, AnnotateDatasetResult<A>, void> {
  const { runDir, resume, images, root, stop } = settings;
  const found = await findImages(images, root, AbortSignal.any([signal, ...(stop ? [stop] : [])]));
  const store = await openStore<A>(runDir, runDir === undefined ? {} : await describe(settings), resume);
  try {
    const wanted = choose(settings, found, store);
    const { leftOut } = found;
    yield { type: "images-found", ...wanted.total, done: wanted.done(), leftOut };
    // Writing an event waits until it is read, so that work is never ahead of its readers.
    const events = new TransformStream<AnnotateDatasetEvent<A>, AnnotateDatasetEvent<A>>();
    const work = annotateMissing(settings, wanted, store, events.writable.getWriter(), signal);
    // Reading fails with the same error, and is what the caller sees.
    work.catch(() => {});
    yield* events.readable;
    await work;
    await finish(settings, wanted, store);
    const failed = [...wanted.own].flatMap((exampleId) => {
      const message = store.known.get(exampleId)?.failure;
      return message === undefined ? [] : [{ exampleId, message }];
    });
    const unreadable = unreadableIn(store);
    const result: AnnotateDatasetResult<A> = {
      images: wanted.own.size,
      failed,
      leftOut,
      unreadable: unreadable.length,
      cutOff: unreadable.filter(({ isCutOff }) => isCutOff).length,
      annotations: store.annotations,
    };
    yield { type: "run-end", result };
    return result;
  } finally {
    await store.close();
  }
}

const unreadableIn = <A>({ known }: AnnotationStore<A>) => [...known.values()].filter((row) => row.isUnreadable);

/** The images of this process, and what is known of all of them. */
interface Wanted {
  readonly items: Iterable<Item> | AsyncIterable<Item>;
  /** Ids of the images so far, in order: those of this process, and of all shards. */
  readonly own: ReadonlySet<string>;
  readonly all: ReadonlySet<string>;
  /** The first images, which the page shows. */
  readonly shown: readonly Item[];
  readonly total: { readonly total?: number };
  /** The number of images that have a row. */
  done(): number;
}

/** @throws DataError for an id that occurs twice, CheckpointError for rows of other images or subjects */
function choose<A>(settings: AnnotateSettings<A>, { items }: Found, store: AnnotationStore<A>): Wanted {
  const { shard: text, subject, sheet } = settings;
  const shard = text === undefined ? undefined : parseShard(text);
  const all = new Set<string>();
  const own = shard ? new Set<string>() : all;
  const shown: Item[] = [];
  let done = 0;
  const take = (item: Item): Item[] => {
    if (all.has(item.id)) throw new DataError(`images: expected an id of its own for each, got "${item.id}" twice`);
    all.add(item.id);
    if (shard && !isInShard(item.id, shard)) return [];
    own.add(item.id);
    const asked = subject === undefined || item.subject !== undefined ? item : { ...item, subject };
    if (shown.length < sheet) shown.push(asked);
    const known = store.known.get(item.id);
    if (known) checkSubject(settings, asked, known);
    if (known) done++;
    return [asked];
  };
  const taken = { own, all, shown, done: () => done };
  if (!Array.isArray(items)) return { ...taken, items: flatMapped(items, take), total: {} };
  const list = (items as readonly Item[]).flatMap(take);
  checkKnown(settings, own, store);
  return { ...taken, items: list, total: { total: list.length } };
}

async function* flatMapped<T>(items: AsyncIterable<T> | Iterable<T>, take: (item: T) => T[]): AsyncGenerator<T> {
  for await (const item of items) yield* take(item);
}

/** @throws CheckpointError for an image whose row answers a question about something else */
function checkSubject<A>({ runDir }: AnnotateSettings<A>, { id, subject }: Item, { subject: before }: Known): void {
  if (subject !== before)
    throw new CheckpointError(
      `${runDir}: expected the subject ${quoted(before)} of "${id}", as it was asked about, got ${quoted(subject)}; pass the same subjects, or another runDir`,
    );
}

/** @throws CheckpointError for rows whose images are not among these */
function checkKnown<A>({ runDir }: AnnotateSettings<A>, own: ReadonlySet<string>, { known }: AnnotationStore<A>): void {
  const strange = [...known.keys()].filter((id) => !own.has(id));
  if (strange.length > 0)
    throw new CheckpointError(
      `${runDir}: expected annotations of these images, got ${strange.length} of others, such as ${listed(strange, ", ", 3)}; pass the same images, or another runDir`,
    );
}

/** Asks about the images that have no row yet, and sends an event for each. */
async function annotateMissing<A>(
  settings: AnnotateSettings<A>,
  wanted: Wanted,
  store: AnnotationStore<A>,
  events: WritableStreamDefaultWriter<AnnotateDatasetEvent<A>>,
  signal: AbortSignal,
): Promise<void> {
  const { task, retryFailed } = settings;
  const isMissing = ({ id }: Item) => {
    const known = store.known.get(id);
    return !known || (known.failure !== undefined && (retryFailed || known.isTemporary));
  };
  const failures = createFailures(name, settings);
  const done = wanted.done;
  let failed = [...store.known.values()].filter(({ failure }) => failure !== undefined).length;
  let unreadable = unreadableIn(store).length;
  let added = 0;
  const keep = async (answered: readonly { readonly item: Item; readonly answer: Answer }[]) => {
    const rows = answered.map(({ item, answer }) => annotationRow(task, item, answer));
    const before = rows.map(({ id }) => store.known.get(id));
    await store.append(rows);
    for (const [i, annotation] of rows.entries()) {
      if (!before[i]) added++;
      failed += Number(annotation.finishReason === "error") - Number(before[i]?.failure !== undefined);
      unreadable += Number(isUnreadable(annotation)) - Number(before[i]?.isUnreadable === true);
      const counts = { done: done() + added, failed, unreadable };
      await events.write({ type: "image-end", annotation, ...counts, ...wanted.total });
    }
  };
  const promptOf = (item: Item) => task.answerPrompt(unannotated(item));
  const asking = { ...settings, failures, promptOf, seed: 0, hasAnswers: hasAnswers(store), signal };
  try {
    await answerEach(askable(wanted.items, isMissing, failures, keep), asking, keep);
    await events.close();
  } catch (error) {
    await events.abort(error);
    throw error;
  }
}

const hasAnswers = <A>({ known }: AnnotationStore<A>) =>
  [...known.values()].some(({ failure }) => failure === undefined);

/** The images that lack a row and can be asked about. The others get their row here. */
async function* askable(
  items: Iterable<Item> | AsyncIterable<Item>,
  isMissing: (item: Item) => boolean,
  failures: Failures,
  keep: (answered: readonly { readonly item: Item; readonly answer: Answer }[]) => Promise<void>,
): AsyncGenerator<Item> {
  for await (const item of items) {
    if (!isMissing(item)) continue;
    if (item.fault === undefined) {
      yield item;
      continue;
    }
    failures.failed(item.id, item.fault);
    await keep([{ item, answer: answerOf(item.fault) }]);
  }
}

/** Tasks ask about examples; none of them uses the annotation to ask for an answer. */
const unannotated = <A>({ id, image, subject }: Item) =>
  ({ id, image, ...(subject !== undefined && { subject }) }) as Example<A>;

/** Puts the rows in order, and writes the table, the page, and the proof of a shard. */
async function finish<A>(
  settings: AnnotateSettings<A>,
  { own, all, shown }: Wanted,
  store: AnnotationStore<A>,
): Promise<void> {
  const { task, sheet } = settings;
  checkKnown(settings, own, store);
  await store.finish([...own]);
  if (sheet > 0) await store.writeFile("annotations.html", () => page(task, shown, store.annotations));
  await proveShard(settings, { all, own, rows: own });
}

async function page<A>(task: Task<A>, shown: readonly Item[], annotations: AnnotationStream<A>): Promise<string> {
  const records = [];
  for await (const { id, answer, ...row } of annotations) {
    if (records.length >= shown.length) break;
    records.push({ ...row, exampleId: id, prediction: answer });
  }
  const dataset = shown.map((item) => unannotated<A>(item));
  // Loaded when a page is written: the root would load it each time.
  const { htmlReport } = await import("../report/html-report");
  return htmlReport({ title: "Annotations", task, dataset, runs: [], records });
}

/** The settings that decide the answers, for `config.json`. */
async function describe<A>(settings: AnnotateSettings<A>): Promise<object> {
  const { task, shard } = settings;
  // One prompt shows the words of all: they differ in the image and the subject alone.
  const prompt = task.answerPrompt(unannotated({ id: "id", image: "image", subject: "subject" }));
  return {
    pipeline: "annotate",
    task: task.name,
    ...(await answersIdentity([prompt], settings)),
    ...(shard !== undefined && { shard }),
  };
}
