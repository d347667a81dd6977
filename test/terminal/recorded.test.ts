import { describe, expect, it } from "vitest";
import { createRunNews } from "../../src/runs/progress/run-news";
import type { News } from "../../src/terminal/news";
import { createPlainLines } from "../../src/terminal/plain";
import { createScreen, type Look } from "../../src/terminal/screen";
import { columnsOf } from "../../src/terminal/text";
import { simulateRun } from "../runs/progress/recorded-run";

const pace = { rolloutMs: () => 4000, learningMs: () => 3000, heldOutMs: () => 6000, saveMs: 700, compileMs: 6000 };
const events = simulateRun(
  [
    { name: "train", steps: 20, trains: true, rollouts: 64, heldOut: 24, triedSeconds: 150 },
    { name: "final", steps: 6, trains: false, rollouts: 64 },
  ],
  pace,
  10,
);
const warning: News = {
  type: "warning",
  text: "step 7: 93.8 % of the rollouts were cut off by a token limit before they ended. Raise sampling.cotMaxTokens, or start from a policy that has learned to stop (SFT)",
};

/** The news of the recorded run, with a warning in it. */
function allNews(): (readonly [atMs: number, news: readonly News[]])[] {
  const newsOf = createRunNews();
  return events.map(([at, event]) => {
    const isSeventh = event.type === "step-end" && event.step === 7;
    return [at, [...newsOf(event, at), ...(isSeventh ? [warning] : [])]] as const;
  });
}

const lookOf = (columns: number): Look => ({ columns, paint: (_, text) => text });

/** The lines that the run leaves on a terminal, and the screen after each of its events. */
function shownAt(columns: number) {
  const look = lookOf(columns);
  const screen = createScreen("riseCot", 0);
  const scrolled: string[] = [];
  const views = allNews().map(([at, news]) => {
    for (const one of news) scrolled.push(...screen.tell(one, at, look));
    return { at, lines: screen.live(at, look) };
  });
  const end = events.at(-1)![0];
  scrolled.push(
    ...screen.close(end, look, { text: "40 cots, 31 of them with a reward of at least 0.75", hasFailed: false }),
  );
  return { views, scrolled };
}

describe.each([60, 80, 110])("a run on a terminal of %i columns", (columns) => {
  const { views, scrolled } = shownAt(columns);
  const lines = [...views.flatMap((view) => view.lines), ...scrolled];

  it("looks as it was recorded", async () => {
    const moments = [2, 8, 10, 14, 60, 90, 130, views.length - 1];
    const recorded = moments.flatMap((i) => [`── ${(views[i]!.at / 1000).toFixed(1)} s`, ...views[i]!.lines]);
    await expect([...recorded, "── what stays", ...scrolled, ""].join("\n")).toMatchFileSnapshot(
      `recorded/${columns}.txt`,
    );
  });

  it("has no line that is wider", () => {
    expect(lines.filter((line) => columnsOf(line) > columns)).toEqual([]);
  });

  it("cuts no word", () => {
    const words = new Set(
      [...shownAt(1000).views.flatMap((view) => view.lines), ...shownAt(1000).scrolled].flatMap((line) =>
        line.split(/\s+/),
      ),
    );
    const isMoving = (word: string) => /^[━─]+$|^[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏]$/.test(word);
    expect(lines.flatMap((line) => line.split(/\s+/)).filter((word) => !words.has(word) && !isMoving(word))).toEqual(
      [],
    );
  });

  it("has the count, the reward and the time of every step, whatever else it leaves out", () => {
    const during = views.filter(({ lines: shown }) => shown.some((line) => /train .* 1\d\/20/.test(line)));
    for (const view of during) expect(view.lines.join("\n")).toMatch(/train .*1\d\/20 {2}reward 0\.3\d* .*\d:\d\d\n/);
  });
});

describe("a run in a pipe", () => {
  const lines = (end?: string) => {
    const plain = createPlainLines("riseCot", 0);
    const told = allNews().flatMap(([at, news]) => news.flatMap((one) => plain.tell(one, at)));
    return [...told, ...plain.close(events.at(-1)![0], { text: end, hasFailed: end === undefined })];
  };

  it("has one line at most for each tenth of a stage, its warnings and its result", async () => {
    await expect(`${lines("40 cots").join("\n")}\n`).toMatchFileSnapshot("recorded/pipe.txt");
  });

  it("has no control characters", () => {
    expect(lines("40 cots").filter((line) => /[\p{Cc}]/u.test(line))).toEqual([]);
  });

  it("has no more lines when it has a hundred times as many steps", () => {
    const stages = [{ name: "train", steps: 2000, trains: true, rollouts: 64 }];
    const newsOf = createRunNews();
    const plain = createPlainLines("riseCot", 0);
    const quick = { ...pace, rolloutMs: () => 4, learningMs: () => 3, compileMs: 0, saveMs: 0 };
    const told = simulateRun(stages, quick, 100_000).flatMap(([at, event]) =>
      newsOf(event, at).flatMap((one) => plain.tell(one, at)),
    );
    expect(told.length).toBeLessThan(20);
  });

  it("breaks a silence of five minutes", () => {
    const plain = createPlainLines("riseCot", 0);
    plain.tell({ type: "progress", part: "train", done: 3, total: 200, detail: "step 4: rollouts 24/64" }, 1000);
    expect(plain.wait(200_000)).toEqual([]);
    expect(plain.wait(301_000)).toEqual(["riseCot: train 3/200, step 4: rollouts 24/64; 5 min so far"]);
    expect(plain.wait(302_000)).toEqual([]);
  });
});

describe("text that somebody else wrote", () => {
  const hostile = "\u001b[2J\u009b31m\u202Eevil\r\nnext\u0007";

  it("gives no command to a terminal or a log", () => {
    const screen = createScreen(hostile, 0);
    const plain = createPlainLines(hostile, 0);
    const news: readonly News[] = [
      { type: "plan", parts: [{ name: hostile, total: 3 }] },
      { type: "progress", part: hostile, done: 1, detail: hostile },
      { type: "warning", text: hostile },
      { type: "end", part: hostile, note: hostile },
    ];
    const look = lookOf(80);
    const said = news.flatMap((one) => [...screen.tell(one, 0, look), ...screen.live(0, look), ...plain.tell(one, 0)]);
    said.push(
      ...screen.close(0, look, { text: hostile, hasFailed: false }),
      ...plain.close(0, { text: hostile, hasFailed: false }),
    );
    expect(said.filter((line) => /[\p{Cc}\u202E]/u.test(line))).toEqual([]);
    expect(said.join("\n")).toContain("\\u001b[2J");
  });
});
