import type { Page } from "../elements/page";
import type { CotData, GroupData, PageData, RolloutData } from "../elements/page-data";
import type { ShownExample } from "../elements/shapes";
import { beginning, mostCharacters } from "../elements/text";
import { type Choice, createChoice } from "../reading/choice";
import type { CotRow, RolloutRow } from "../reading/run-records";

/** A rollout that may come onto the page. */
export interface Candidate {
  readonly group: Omit<GroupData, "example"> & { readonly exampleId: string };
  /** An evaluation may not know what an answer is worth. */
  readonly row: Omit<RolloutRow, "prompt" | "truth" | "reward"> & {
    readonly reward: Omit<RolloutRow["reward"], "reward" | "similarity"> & { readonly reward?: number | undefined };
  };
}

export interface CotList {
  readonly run: number;
  readonly threshold: number;
  readonly cots: readonly CotRow[];
}

/** Bytes of JSON that the cots may take, and cots and rollouts together. */
const [mostOfCots, mostOfAll] = [400_000, 1_800_000];
const mostCots = 1000;

/** The tables of a page as they grow. */
interface Tables {
  /** The size of their JSON so far, nearly. */
  bytes: number;
  readonly texts: (string | readonly [string, number])[];
  readonly textPlaces: Map<string, number>;
  readonly examples: ShownExample[];
  readonly examplePlaces: Map<string, number>;
}

/**
 * Collects what the page's script reads: all cots and rollouts, or as many as fit, the chosen ones first.
 */
export async function pageData<A>(
  page: Page<A>,
  runs: readonly string[],
  lists: readonly CotList[],
  choice: Choice<Candidate>,
): Promise<PageData> {
  const tables: Tables = { bytes: 0, texts: [], textPlaces: new Map(), examples: [], examplePlaces: new Map() };
  const cots: CotData[] = [];
  for (const list of lists) cots.push(await cotData(list, page, tables, mostOfCots / lists.length));
  const chosen = choice.chosen();
  await embedded(page, new Set(chosen.map(({ row }) => row.group.exampleId)));
  const placed: { readonly data: Omit<RolloutData, "group">; readonly candidate: Candidate; readonly at: number }[] =
    [];
  for (const { row: candidate, at } of chosen) {
    const example = await page.shown(candidate.group.exampleId);
    exampleAt(tables, candidate.group.exampleId, example);
    const data = rolloutData(candidate.row, page, example, tables);
    tables.bytes += sizeOf(data);
    if (tables.bytes > mostOfAll) break;
    placed.push({ data, candidate, at });
  }
  placed.sort((a, b) => a.at - b.at);
  const groups = new Map<Candidate["group"], number>();
  const rollouts = placed.map(({ data, candidate: { group } }): RolloutData => {
    const known = groups.get(group) ?? groups.size;
    groups.set(group, known);
    return { group: known, ...data };
  });
  const groupData = [...groups.keys()].map(({ exampleId, ...group }): GroupData => {
    return { ...group, stage: beginning(group.stage, 60), example: tables.examplePlaces.get(exampleId)! };
  });
  const titles = runs.map((title) => beginning(title, 100));
  return { texts: tables.texts, runs: titles, examples: tables.examples, groups: groupData, rollouts, cots };
}

async function cotData<A>(list: CotList, page: Page<A>, tables: Tables, most: number): Promise<CotData> {
  const { run, threshold } = list;
  const choice = createChoice<CotRow>(mostCots);
  for (const cot of list.cots)
    choice.add(cot, { reward: cot.reward, leaks: 0, isReadable: true, isClipped: false, spread: 0 });
  const limit = tables.bytes + most;
  const cots: CotData["cots"][number][] = [];
  await embedded(page, new Set(choice.chosen().map(({ row }) => row.exampleId)));
  for (const { row, at } of choice.chosen()) {
    const cot = textAt(tables, row.cot.slice(0, mostCharacters), row.cot.length);
    const example = exampleAt(tables, row.exampleId, await page.shown(row.exampleId));
    if (tables.bytes > limit) break;
    cots.push({ at, example, cot, ...(row.cotGain !== undefined && { gain: Number(row.cotGain.toPrecision(4)) }) });
  }
  return { run, threshold, rewards: list.cots.map(({ reward }) => reward), cots: cots.sort((a, b) => a.at - b.at) };
}

function rolloutData<A>(
  { index, cot, reconstruction, completion, prediction, reward, advantage }: Candidate["row"],
  page: Page<A>,
  example: ShownExample,
  tables: Tables,
): Omit<RolloutData, "group"> {
  const answer = completion ?? reconstruction ?? { text: "", length: 0, isClipped: false };
  const shown = page.predicted(example, prediction as A | null);
  const { leaks, format, repairs } = reward;
  return {
    index,
    ...(cot && { cot: textAt(tables, cot.text, cot.length) }),
    answer: textAt(tables, answer.text, answer.length),
    ...(shown && { prediction: shown }),
    ...(reward.reward !== undefined && { reward: Number(reward.reward.toPrecision(6)) }),
    ...(leaks.length > 0 && {
      leaks: leaks.slice(0, 50).map(({ kind, ...place }) => leakAt(beginning(kind, 60), place)),
    }),
    ...(!format.ok && { fault: beginning(format.reason ?? "not the format") }),
    ...(repairs && repairs.length > 0 && { repairs: repairs.slice(0, 10).map((each) => beginning(each, 100)) }),
    ...(advantage !== undefined && { advantage: Number(advantage.toPrecision(4)) }),
    ...([cot, reconstruction, completion].some((text) => text?.isClipped) && { isClipped: true }),
  };
}

const leakAt = (kind: string, { start, end }: { readonly start: number; readonly end: number }) => ({
  kind,
  start,
  end,
});

const sizeOf = (value: unknown) => Buffer.byteLength(JSON.stringify(value)) + 12;

function textAt(tables: Tables, text: string, length: number): number {
  const known = tables.textPlaces.get(text);
  if (known !== undefined) return known;
  const entry = length > text.length ? ([text, length] as const) : text;
  tables.bytes += sizeOf(entry);
  tables.textPlaces.set(text, tables.texts.length);
  return tables.texts.push(entry) - 1;
}

function exampleAt(tables: Tables, id: string, example: ShownExample): number {
  const known = tables.examplePlaces.get(id);
  if (known !== undefined) return known;
  tables.bytes += sizeOf(example);
  tables.examplePlaces.set(id, tables.examples.length);
  return tables.examples.push(example) - 1;
}

/** Embeds the images of examples, a few at a time. */
async function embedded<A>(page: Page<A>, ids: ReadonlySet<string>): Promise<void> {
  const waiting = ids.values();
  const worker = async () => {
    for (const id of waiting) await page.shown(id);
  };
  await Promise.all(Array.from({ length: 8 }, worker));
}
