import type { News } from "./news";
import { closed, heard, type PartState, secondsLeft, type WorkState } from "./parts";
import { countOf, type End } from "./screen";
import { duration, printable, shortNumber } from "./text";

/** A part has a line at each of so many shares of it, if they are not quicker than `leastMs`, and after `mostMs`. */
const shares = 10;
const leastMs = 1000;
const mostMs = 300_000;

/**
 * The lines of some work in a file or a pipe: whole ones without control characters, few enough for a log, a tenth of a
 * part or five minutes apart. They know no clock.
 */
export function createPlainLines(title: string, begun: number) {
  let state: WorkState = { parts: [] };
  let lastAt = begun;
  const shown = new Map<string, number>();
  const head = printable(title);
  const line = (part: PartState, now: number) => {
    lastAt = now;
    shown.set(part.name, shareOf(part));
    return [`${head}: ${progressLine(part, state, begun, now)}`];
  };
  return {
    tell(news: News, now: number): readonly string[] {
      state = heard(state, news, now);
      if (news.type === "note") return [`${head}: ${printable(news.text)}`];
      if (news.type === "warning") return [`${head}: warning: ${printable(news.text)}`];
      if (news.type === "plan") return [];
      const part = state.parts.find(({ name }) => name === news.part)!;
      if (news.type === "end") return line(part, now);
      const share = shareOf(part);
      const isDue =
        share > (shown.get(part.name) ?? 0) && share < 1 && now - Math.max(lastAt, part.begun ?? now) >= leastMs;
      return isDue || now - lastAt >= mostMs ? line(part, now) : [];
    },
    /** A line after a long silence. */
    wait(now: number): readonly string[] {
      const part = state.parts.find((candidate) => candidate.state === "under way");
      return part && now - lastAt >= mostMs ? line(part, now) : [];
    },
    close(now: number, { text, hasFailed }: End): readonly string[] {
      const last = state.parts.find((part) => part.state === "under way");
      state = closed(state, now, hasFailed);
      const open = state.parts.find(({ name }) => name === last?.name);
      return [...(open ? line(open, now) : []), ...(text === undefined ? [] : [`${head}: ${printable(text)}`])];
    },
  };
}

/** The share of a part that is done, in whole tenths. */
const shareOf = ({ done, total }: PartState): number => (total ? Math.floor((shares * done) / total) / shares : 0);

/** "train 20/200, reward 0.52; 1 min so far, about 9 min left" */
function progressLine(part: PartState, state: WorkState, begun: number, now: number): string {
  const { name, figures, note, detail } = part;
  const facts = [
    [printable(name), countOf({ ...part, state: "under way" })].filter(Boolean).join(" "),
    ...(note === undefined ? [] : [printable(note)]),
    ...figures.map(([label, value]) => `${label} ${shortNumber(value)}`),
    ...(detail === undefined ? [] : [printable(detail)]),
  ].join(", ");
  const took = part.begun === undefined ? 0 : (now - part.begun) / 1000;
  if (part.state === "over") return `${facts}; took ${duration(took)}`;
  if (part.state === "failed") return `${facts}; stopped after ${duration(took)}`;
  const left = secondsLeft(state, now);
  return `${facts}; ${duration((now - begun) / 1000)} so far${left === undefined ? "" : `, about ${duration(left)} left`}`;
}
