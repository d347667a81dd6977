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
  pages: readonly Page<A>[],
  runs: readonly string[],
  lists: readonly CotList[],
  choice: Choice<Candidate>,
): Promise<PageData> {
  const tables: Tables = { bytes: 0, texts: [], textPlaces: new Map(), examples: [], examplePlaces: new Map() };
  const cots: CotData[] = [];
  for (const list of lists) cots.push(await cotData(list, pages[list.run]!, tables, mostOfCots / lists.length));
  const chosen = choice.chosen();
  await embedded(chosen.map(({ row: { group } }) => [pages[group.run]!, group.exampleId]));
  const placed: {
    readonly data: Omit<RolloutData, "group">;
    readonly group: Candidate["group"];
    readonly at: number;
  }[] = [];
  const examples = new Map<Candidate["group"], number>();
  for (const { row, at } of chosen) {
    const { group } = row;
    const page = pages[group.run]!;
    const example = await page.shown(group.exampleId);
    examples.set(group, exampleAt(tables, example));
    const data = rolloutData(row.row, page, example, tables);
    tables.bytes += sizeOf(data);
    if (tables.bytes > mostOfAll) break;
    placed.push({ data, group, at });
  }
  placed.sort((a, b) => a.at - b.at);
  const groups = [...new Set(placed.map(({ group }) => group))];
  const places = new Map(groups.map((group, place) => [group, place]));
  const rollouts = placed.map(({ data, group }): RolloutData => ({ group: places.get(group)!, ...data }));
  const groupData = groups.map((group): GroupData => {
    const { exampleId: _, ...facts } = group;
    return { ...facts, stage: beginning(group.stage, 60), example: examples.get(group)! };
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
  await embedded(choice.chosen().map(({ row }) => [page, row.exampleId]));
  for (const { row, at } of choice.chosen()) {
    const cot = textAt(tables, row.cot.slice(0, mostCharacters), row.cot.length);
    const example = exampleAt(tables, await page.shown(row.exampleId));
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
      leaks: leaks.slice(0, 50).map(({ kind, start, end }) => ({ kind: beginning(kind, 60), start, end })),
    }),
    ...(!format.ok && { fault: beginning(format.reason ?? "not the format") }),
    ...(repairs && repairs.length > 0 && { repairs: repairs.slice(0, 10).map((each) => beginning(each, 100)) }),
    ...(advantage !== undefined && { advantage: Number(advantage.toPrecision(4)) }),
    ...([cot, reconstruction, completion].some((text) => text?.isClipped) && { isClipped: true }),
  };
}

const sizeOf = (value: unknown) => Buffer.byteLength(JSON.stringify(value)) + 12;

function textAt(tables: Tables, text: string, length: number): number {
  const known = tables.textPlaces.get(text);
  if (known !== undefined) return known;
  const entry = length > text.length ? ([text, length] as const) : text;
  tables.bytes += sizeOf(entry);
  tables.textPlaces.set(text, tables.texts.length);
  return tables.texts.push(entry) - 1;
}

/** The place of an example in the list: two of one id are two, if they differ. */
function exampleAt(tables: Tables, example: ShownExample): number {
  const key = JSON.stringify(example);
  const known = tables.examplePlaces.get(key);
  if (known !== undefined) return known;
  tables.bytes += sizeOf(example);
  tables.examplePlaces.set(key, tables.examples.length);
  return tables.examples.push(example) - 1;
}

/** Embeds the images of examples, a few at a time. */
async function embedded<A>(asked: readonly (readonly [page: Page<A>, id: string])[]): Promise<void> {
  const waiting = asked.values();
  const worker = async () => {
    for (const [page, id] of waiting) await page.shown(id);
  };
  await Promise.all(Array.from({ length: 8 }, worker));
}
