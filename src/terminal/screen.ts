import type { News } from "./news";
import { closed, heard, type PartState, secondsLeft, type WorkState } from "./parts";
import { clock, columnsOf, duration, fitted, printable, shortNumber, size, wrapped } from "./text";

/** Colours a text, or leaves it as it is. */
export type Paint = (style: "bold" | "dim" | "green" | "red" | "yellow", text: string) => string;

/** How wide the terminal is now, what time it is there, and how it colours. */
export interface Look {
  readonly columns: number;
  readonly paint: Paint;
}

/** The end of some work: its result in a sentence, if there is one. */
export interface End {
  readonly text?: string | undefined;
  readonly hasFailed: boolean;
}

/**
 * The view of some work in a terminal: a plan of parts with ticks and times, and below it the time of the whole and the
 * work under way. It knows no clock and no terminal.
 */
export function createScreen(title: string, begun: number) {
  let state: WorkState = { parts: [] };
  const head = ({ columns, paint }: Look) => paint("bold", fitted(columns, [printable(title)]));
  const plan = (now: number, look: Look) =>
    state.parts.map((part) => partLine(part, nameColumns(state.parts), now, look));
  return {
    /** @returns lines that stay, above those that change */
    tell(news: News, now: number, look: Look): readonly string[] {
      state = heard(state, news, now);
      if (news.type === "note") return messageLines(title, news.text, look);
      if (news.type === "warning") return messageLines(`${title}: warning`, news.text, look, "yellow");
      return [];
    },
    /** The lines that change. */
    live(now: number, look: Look): readonly string[] {
      const { columns, paint } = look;
      return [
        head(look),
        ...plan(now, look),
        paint("dim", fitted(columns, [statusOf(state, begun, now)], detailOf(state), " · ")),
      ];
    },
    /** @returns lines that stay, after which nothing changes any more */
    close(now: number, look: Look, { text, hasFailed }: End): readonly string[] {
      state = closed(state, now, hasFailed);
      const total = `  ${hasFailed ? "stopped" : "done"} after ${clock((now - begun) / 1000)}`;
      const end = text === undefined ? [] : messageLines(title, text, look);
      return [head(look), ...plan(now, look), look.paint("dim", fitted(look.columns, [total])), ...end];
    },
  };
}

function messageLines(head: string, text: string, { columns, paint }: Look, style?: Parameters<Paint>[0]): string[] {
  const lines = wrapped(`${printable(head)}: ${printable(text)}`, columns, "  ");
  return style ? lines.map((line) => paint(style, line)) : lines;
}

function statusOf(state: WorkState, begun: number, now: number): string {
  const left = secondsLeft(state, now);
  const soFar = clock((now - begun) / 1000);
  return left === undefined ? `  ${soFar} so far` : `  ${soFar} so far, about ${duration(left)} left`;
}

const detailOf = ({ parts }: WorkState): string[] =>
  parts.flatMap(({ state, detail }) => (state === "under way" && detail !== undefined ? [printable(detail)] : []));

const nameColumns = (parts: readonly PartState[]) =>
  Math.min(24, Math.max(...parts.map(({ name }) => columnsOf(printable(name)))));

const spinner = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
const barColumns = 16;

/** ✓ train  ━━━━━━━━━━━━━━━━  200/200  reward 0.52  KL 0.01          3:12 */
function partLine(part: PartState, names: number, now: number, { columns, paint }: Look): string {
  const { state, name, begun, ended, figures, note } = part;
  const time = begun === undefined ? "" : clock(((ended ?? now) - begun) / 1000);
  const label = fitted(names, [printable(name)]);
  const head = `${label}${" ".repeat(names - columnsOf(label))}`;
  const facts = [
    ...(note === undefined ? [] : [printable(note)]),
    ...figures.map(([what, value]) => `${what} ${shortNumber(value)}`),
  ];
  // The mark and the blanks around it take 4 columns, the time and two blanks the end.
  const room = columns - 4 - columnsOf(time) - 2;
  const [count, bar] = [countOf(part), barOf(part)];
  const needed = [head, ...(count === "" ? [] : [count])];
  const isWide = bar !== "" && columnsOf([head, bar, count].join("  ")) <= room;
  const text = fitted(room, isWide ? [head, bar, count] : needed, facts);
  const gap = " ".repeat(Math.max(2, columns - 4 - columnsOf(text) - columnsOf(time)));
  return `  ${markOf(state, now, paint)} ${state === "waiting" ? paint("dim", text) : text}${time === "" ? "" : paint("dim", `${gap}${time}`)}`;
}

function markOf(state: PartState["state"], now: number, paint: Paint): string {
  if (state === "over") return paint("green", "✓");
  if (state === "failed") return paint("red", "✗");
  return state === "waiting" ? "·" : spinner[Math.floor(now / 100) % spinner.length]!;
}

/** A part that is over needs its numbers only. */
function barOf({ state, done, total }: PartState): string {
  if (state !== "under way" || !total) return "";
  const filled = Math.min(barColumns, Math.floor((done / total) * barColumns));
  return "━".repeat(filled) + "─".repeat(barColumns - filled);
}

/** "12/200", "1.2 MB of 5.2 MB", "12". */
export function countOf({ state, done, total, isBytes }: PartState): string {
  if (total === undefined) return state === "waiting" || done === 0 ? "" : isBytes ? size(done) : String(done);
  if (isBytes) return state === "waiting" || done === total ? size(total) : `${size(done)} of ${size(total)}`;
  if (total === 1) return "";
  return state === "waiting" || (state === "over" && done === total) ? String(total) : `${done}/${total}`;
}
