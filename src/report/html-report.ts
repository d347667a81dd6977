import { ConfigError } from "../errors";
import { checkArguments, fieldsKind, functionKind, listKind, optionalKind, textKind } from "../options/arguments";
import type { Task } from "../task";
import type { Example } from "../types";
import type { Presenter } from "./elements/drawing";
import { createPageImages } from "./elements/image";
import { createPage, type Page, type PageExample } from "./elements/page";
import { type Choice, createChoice } from "./reading/choice";
import { recordedTask } from "./reading/recorded-task";
import { type ContextRecords, judge, type RolloutGroup, spreadOf } from "./reading/run-records";
import { answerRow, type KnownExamples, readSource, type Source } from "./reading/sources";
import { type Compared, comparisonSection, latestRecords } from "./sections/comparison";
import { cotsSection } from "./sections/cots";
import { type Candidate, type CotList, pageData } from "./sections/data";
import { evaluationSection, metricsTable, mostShown, type ReportedRecord } from "./sections/evaluation";
import { explorerSection } from "./sections/explorer";
import { runSection } from "./sections/run";
import { type ReportTable, scoresSection } from "./sections/scores";
import { contextView } from "./sections/settings";

export type { ReportedRecord } from "./sections/evaluation";
export type { ReportTable } from "./sections/scores";

/** A run or an evaluation of a report, by its directory. */
export interface ReportedRun {
  /** Its heading (the folder's name). */
  readonly title?: string;
  /** The folder of a run, or of an evaluation. */
  readonly runDir: string;
}

/** Options of `htmlReport`. */
export interface ReportOptions<A> {
  /** The page's heading ("Report"). */
  readonly title?: string;
  /** The folder of one run or evaluation: short for a list of one in `runs`. */
  readonly runDir?: string;
  /** The runs and evaluations, in the order of the page; those of the same kind are compared with the first. */
  readonly runs?: readonly ReportedRun[];
  /** Formats annotations, and draws them if it has `draw` (boxes, outlines and shares of labels by their form). */
  readonly task?: Task<A>;
  /**
   * Images and true annotations of the examples (those that the folders name; they lack images that were in memory).
   */
  readonly dataset?: readonly (Omit<Example<A>, "annotation"> & { readonly annotation?: A })[];
  /** Tables for the head of the page (none). */
  readonly tables?: readonly ReportTable[];
  /** Held-out examples as a model annotates them, from `evaluate` (none). */
  readonly records?: readonly ReportedRecord<A>[];
  /** Seconds after which a browser reads the page again, for one that is written again while a run goes (never). */
  readonly refreshSeconds?: number;
}

const optionsKind = fieldsKind({
  title: optionalKind(textKind),
  runDir: optionalKind(textKind),
  runs: optionalKind(listKind(fieldsKind({ title: optionalKind(textKind), runDir: textKind }))),
  task: optionalKind(fieldsKind({ format: functionKind })),
  dataset: optionalKind(listKind(fieldsKind({ id: textKind }))),
  tables: optionalKind(listKind(fieldsKind({ title: textKind, header: listKind(), rows: listKind(listKind()) }))),
  records: optionalKind(listKind(fieldsKind({ exampleId: textKind, text: textKind }))),
  refreshSeconds: optionalKind({
    words: "a number of at least 1",
    is: (value) => typeof value === "number" && value >= 1,
  }),
});

/**
 * Makes one self-contained HTML page about runs: their settings, curves and rollouts, the cots that they kept, and
 * their differences. Its script finds, filters and sorts rollouts, and moves the threshold; the page asks for nothing
 * outside itself, and can be read without scripts. A run may still be under way.
 *
 * The page stays below 5 MB: of more than 2 000 rollouts it holds chosen ones, and says so.
 *
 * @throws CheckpointError for a folder that is neither a run's nor an evaluation's, or has rows that are not theirs;
 * ConfigError if there is nothing to report
 * @example
 * await writeFile("report.html", await htmlReport({ runDir: "runs/cot" }));
 */
export async function htmlReport<A>(options: ReportOptions<A>): Promise<string> {
  checkArguments("htmlReport", { options }, { options: optionsKind });
  const { title = "Report", runDir, task, dataset = [], tables = [], records = [], refreshSeconds } = options;
  const runs = [...(runDir === undefined ? [] : [{ runDir }]), ...(options.runs ?? [])];
  if (runs.length === 0 && !options.tables && !options.records)
    throw new ConfigError("htmlReport: expected runDir, runs, records or tables, got none of them");
  const choice = createChoice<Candidate>();
  const sources: Source[] = [];
  for (const [i, run] of runs.entries()) sources.push(await readSource(run, (group) => addGroup(choice, i, group)));
  sources.forEach((source, i) => {
    if (source.kind === "evaluation") addRecords(choice, i, source.evaluation.records);
  });
  addRecords(choice, sources.length, records);
  const presenter = task ?? (recordedTask(taskName(sources)) as Presenter<A>);
  const lists = examplesOf(sources, dataset);
  const images = createPageImages();
  const pages = lists.map((known) => createPage(presenter, known.values() as Iterable<PageExample<A>>, images));
  const isLabelled = records.some(({ exampleId }) => lists.at(-1)!.get(exampleId)?.annotation !== undefined);
  const parts = { tables, records, title: isLabelled ? heldOut : "Images", refreshSeconds };
  return assemble(title, pages, sources, choice, parts);
}

/**
 * The examples of each source, and of records that come without one. Two folders may have other examples of the same
 * ids, as training and test images in folders of classes do; then each shows its own.
 */
function examplesOf(sources: readonly Source[], dataset: readonly PageExample<unknown>[]): readonly KnownExamples[] {
  const given = new Map<string, PageExample<unknown>>();
  const unique = new Map<string, PageExample<unknown>>();
  const all = new Map<string, PageExample<unknown>>();
  for (const example of dataset) {
    if (given.has(example.id)) unique.delete(example.id);
    else unique.set(example.id, example);
    given.set(example.id, example);
  }
  for (const example of sources.flatMap(({ examples }) => [...examples.values()]))
    all.set(example.id, { ...all.get(example.id), ...example });
  return [
    ...sources.map(({ examples }) => {
      const own = [...examples].map(([id, example]) => [id, { ...all.get(id), ...example }] as const);
      return new Map([...all, ...own, ...unique]);
    }),
    new Map([...all, ...given]),
  ];
}

const heldOut = "Held-out images";

const taskName = (sources: readonly Source[]) => {
  const name = sources.find(({ context }) => typeof context.config.task === "string")?.context.config.task;
  return typeof name === "string" ? name : "the task";
};

function addGroup(choice: Choice<Candidate>, run: number, group: RolloutGroup): void {
  const [{ stage, step, exampleId }] = group;
  const spread = spreadOf(group);
  const shared = { run, stage, step, exampleId, size: group.length, spread: Number(spread.toPrecision(4)) };
  for (const row of group) choice.add({ group: shared, row }, judge(row, spread));
}

function addRecords(choice: Choice<Candidate>, run: number, records: readonly ReportedRecord<unknown>[]): void {
  for (const record of records) {
    const row = answerRow(record);
    const { exampleId, stage, step, reward, completion } = row;
    choice.add(
      { group: { run, stage, step, exampleId, size: 1, spread: 0 }, row },
      {
        reward: reward.reward ?? 0,
        leaks: 0,
        isReadable: reward.format.ok,
        isClipped: completion.isClipped,
        spread: 0,
      },
    );
  }
}

/** @param pages one for each source, and one for the records */
async function assemble<A>(
  title: string,
  pages: readonly Page<A>[],
  sources: readonly Source[],
  choice: Choice<Candidate>,
  { tables, records, title: recordsTitle, refreshSeconds }: Extras<A>,
): Promise<string> {
  const lists = cotLists(sources);
  const names = [...sources.map((source) => source.title), ...(records.length > 0 ? [recordsTitle] : [])];
  const data = await pageData(pages, names, lists, choice);
  const stages = [...new Set(data.groups.map(({ stage }) => stage))];
  const isAllShown = sources.length === 0 && records.length <= mostShown;
  const page = pages.at(-1)!;
  const sections = [
    ...tables.map(scoresSection),
    await evaluationSection(recordsTitle, records, page),
    comparisonSection(sources.flatMap(comparedOf)),
    ...(await Promise.all(lists.map((list, i) => cotsSection(names[list.run]!, list, pages[list.run]!, i)))),
    ...(isAllShown ? [] : [explorerSection({ runs: names, stages, total: choice.total, held: data.rollouts.length })]),
    ...(await Promise.all(sources.map((source, i) => sourceSection(source, pages[i]!)))),
  ];
  return page.html(title, sections, { data, ...(refreshSeconds !== undefined && { refreshSeconds }) });
}

/** The cots of the runs. Stage 2 has those that it learned from, which the page shows only without stage 1's. */
function cotLists(sources: readonly Source[]): readonly CotList[] {
  const lists = sources.flatMap((source, run) =>
    source.kind === "run" && source.run.cots.length > 0
      ? [
          {
            run,
            threshold: thresholdOf(source.context),
            cots: source.run.cots,
            isPart: source.context.config.pipeline === "rise-r1",
          },
        ]
      : [],
  );
  const whole = lists.filter(({ isPart }) => !isPart);
  return whole.length > 0 ? whole : lists;
}

interface Extras<A> {
  readonly tables: readonly ReportTable[];
  readonly records: readonly ReportedRecord<A>[];
  /** Heading of the records. */
  readonly title: string;
  readonly refreshSeconds: number | undefined;
}

const thresholdOf = ({ config: { threshold } }: ContextRecords) => (typeof threshold === "number" ? threshold : 0.75);

function sourceSection<A>(source: Source, page: Page<A>): Promise<string> {
  if (source.kind === "run") return runSection(source.title, source.run, page);
  const { evaluation, title, context } = source;
  const summary = `${contextView(context)}${metricsTable(evaluation)}`;
  return evaluationSection(title, evaluation.records as readonly ReportedRecord<A>[], page, summary);
}

function comparedOf(source: Source): readonly Compared[] {
  const { title } = source;
  if (source.kind === "evaluation")
    return [{ title, kind: "evaluation", metrics: [], records: source.evaluation.records }];
  return source.run.stages.map(({ name, metrics, latest }) => {
    return { title, kind: name, metrics, records: latestRecords(latest) };
  });
}
