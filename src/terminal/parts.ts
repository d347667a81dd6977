import type { Figure, News, Part, Progress } from "./news";

/** A part, and what was heard of it. */
export interface PartState extends Part {
  readonly state: "waiting" | "under way" | "over" | "failed";
  readonly done: number;
  readonly detail?: string | undefined;
  readonly note?: string | undefined;
  readonly figures: readonly Figure[];
  /** Clock readings in ms. */
  readonly begun?: number;
  readonly ended?: number;
  /** The units that were finished at some moments, for its pace. */
  readonly samples: readonly Sample[];
}

interface Sample {
  readonly done: number;
  readonly at: number;
}

/** The sum of the news of some work so far. */
export interface WorkState {
  readonly parts: readonly PartState[];
  /** Seconds until the end of all parts as they were last told, and when. */
  readonly told?: { readonly secondsLeft: number; readonly at: number } | undefined;
}

/** Adds news to a state. */
export function heard(state: WorkState, news: News, now: number): WorkState {
  switch (news.type) {
    case "plan": {
      const planned = news.parts.map((part) => ({ ...(find(state, part.name) ?? waiting), ...part }));
      const others = state.parts.filter(({ name }) => !planned.some((part) => part.name === name));
      return { ...state, parts: [...others, ...planned] };
    }
    case "progress": {
      const { secondsLeft } = news;
      const next = update(state, news.part, (part) => progressed(part, news, now));
      return { ...next, told: secondsLeft === undefined ? undefined : { secondsLeft, at: now } };
    }
    case "end": {
      const end = { state: "over", ended: now, note: news.note, detail: undefined } as const;
      return update(state, news.part, (part) => ({
        ...part,
        begun: part.begun ?? now,
        done: part.total ?? part.done,
        ...end,
      }));
    }
    default:
      return state;
  }
}

/** The end of all work: the part under way did not succeed if the work failed. */
export function closed({ parts }: WorkState, now: number, hasFailed: boolean): WorkState {
  const end = { state: hasFailed ? "failed" : "over", ended: now, detail: undefined } as const;
  return { parts: parts.map((part) => (part.state === "under way" ? { ...part, ...end } : part)) };
}

/** Seconds until all parts are over; `undefined` if they cannot be known yet. */
export function secondsLeft({ parts, told }: WorkState, now: number): number | undefined {
  if (told) return Math.max(0, told.secondsLeft - (now - told.at) / 1000);
  const open = parts.filter(
    ({ state, total }) => total !== undefined && (state === "waiting" || state === "under way"),
  );
  const each = open.map((part) => partLeft(part, now));
  return open.length > 0 && each.every((left) => left !== undefined)
    ? each.reduce<number>((sum, left) => sum + left!, 0)
    : undefined;
}

/**
 * The pace of the later half of the units decides: the first ones are slow, since graphs are compiled. The newest
 * sample may be a batch of which not every unit is counted yet, so that it is left out if there are others.
 */
function partLeft({ total, done, samples }: PartState, now: number): number | undefined {
  const whole = samples.length > 2 ? samples.slice(0, -1) : samples;
  const [first, last, newest] = [whole[0], whole.at(-1), samples.at(-1)];
  if (total === undefined || !first || !last || !newest || last.done === first.done) return undefined;
  const half = whole.findLast((sample) => sample.done - first.done <= (last.done - first.done) / 2)!;
  const eachMs = (last.at - half.at) / (last.done - half.done);
  return Math.max(0, eachMs * (total - done) - (now - newest.at)) / 1000;
}

const waiting = { state: "waiting", done: 0, figures: [], samples: [] } as const;

const find = ({ parts }: WorkState, name: string) => parts.find((part) => part.name === name);

function update(state: WorkState, name: string, change: (part: PartState) => PartState): WorkState {
  const known = find(state, name);
  if (!known) return { ...state, parts: [...state.parts, change({ name, ...waiting })] };
  return { ...state, parts: state.parts.map((part) => (part === known ? change(part) : part)) };
}

function progressed(part: PartState, { done, total, detail, figures }: Progress, now: number): PartState {
  const { samples, begun = now } = part;
  return {
    ...part,
    state: "under way",
    begun,
    done,
    detail,
    ...(total !== undefined && { total }),
    ...(figures && { figures }),
    samples: sampled(samples, done, now),
  };
}

/** Units that finish within this share of the wait before them are a batch, which makes one sample. */
const batchShare = 0.25;

/** Every second sample is forgotten when there are more. */
const mostSamples = 256;

function sampled(samples: readonly Sample[], done: number, now: number): readonly Sample[] {
  const [last, before] = [samples.at(-1), samples.at(-2)];
  if (last?.done === done) return samples;
  if (last && before && now - last.at < batchShare * (last.at - before.at))
    return [...samples.slice(0, -1), { done, at: last.at }];
  const kept = samples.length < mostSamples ? samples : samples.filter((_, i) => i % 2 === 0);
  return [...kept, { done, at: now }];
}
