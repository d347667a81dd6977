import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { screenLog } from "../../src/terminal/log";
import { createTerminal } from "../../src/terminal/terminal";
import { virtualTerminal } from "./virtual-terminal";

beforeEach(() => vi.useFakeTimers({ now: 0 }));
afterEach(() => vi.useRealTimers());

const warning =
  "step 7: 93.8 % of the rollouts were cut off by a token limit before they ended. Raise sampling.cotMaxTokens, or start from a policy that has learned to stop";

/** A run of two parts in 20 s, which redraws itself, warns once, and prints a line of the program's own. */
function drawRun(columns: number, { rows = 24, narrower = columns } = {}) {
  const screen = virtualTerminal(columns, rows);
  const log = screenLog("riseCot", createTerminal(screen, [], Date.now));
  const views: (readonly string[])[] = [];
  log.tell({
    type: "plan",
    parts: [
      { name: "train", total: 20 },
      { name: "final", total: 4 },
    ],
  });
  for (let step = 1; step <= 20; step++) {
    vi.advanceTimersByTime(1000);
    if (step === 10 && narrower < columns) screen.narrow(narrower);
    if (step === 12) screen.write("a line of the program\n");
    log.tell({
      type: "progress",
      part: "train",
      done: step,
      detail: `step ${step}: rollouts 24/64`,
      secondsLeft: 20 - step,
      figures: [
        ["reward", step / 20],
        ["leaks", 0.125],
        ["format", 1],
        ["tokens", 42.5],
        ["clipped", 0.01],
      ],
    });
    if (step === 7) log.tell({ type: "warning", text: warning });
    views.push(screen.window());
  }
  log.tell({ type: "end", part: "train" });
  log.close("40 cots, 31 of them with a reward of at least 0.75");
  return { screen, views };
}

const count = (lines: readonly string[], text: RegExp) => lines.filter((line) => text.test(line)).length;

describe.each([60, 80, 110])("a terminal of %i columns", (columns) => {
  it("shows the plan once at each moment, whatever was drawn before", () => {
    const { views, screen } = drawRun(columns);
    for (const [i, view] of [...views, screen.lines()].entries()) {
      expect(count(view, /^riseCot$/), `view ${i}`).toBe(1);
      expect(count(view, /^ {2}\S train /), `view ${i}`).toBe(1);
      expect(count(view, /^ {2}\S final/), `view ${i}`).toBe(1);
    }
  });

  it("keeps the warning and the program's own line above the plan, and the result below it", () => {
    const lines = drawRun(columns).screen.lines();
    const place = (text: RegExp) => lines.findIndex((line) => text.test(line));
    const order = [
      /^riseCot: warning: step 7/,
      /^a line of the program$/,
      /^riseCot$/,
      /train/,
      /^ {2}done after 0:20$/,
    ];
    expect(order.map(place)).toEqual(order.map(place).sort((a, b) => a - b));
    expect(order.map(place)).not.toContain(-1);
    expect(lines.filter(Boolean).at(-1)).toBe("riseCot: 40 cots, 31 of them with a reward of at least 0.75");
  });

  it("cuts no word, and wraps no line", () => {
    const { views } = drawRun(columns);
    const words = new Set(
      drawRun(400)
        .views.flat()
        .flatMap((line) => line.split(/\s+/)),
    );
    const isMoving = (word: string) => /^[━─]+$|^[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏]$/.test(word);
    const cut = views
      .flat()
      .flatMap((line) => line.split(/\s+/))
      .filter((word) => !words.has(word) && !isMoving(word));
    expect(cut).toEqual([]);
  });

  it("redraws itself while nothing is heard", () => {
    const screen = virtualTerminal(columns);
    const log = screenLog("riseCot", createTerminal(screen, [], Date.now));
    log.tell({ type: "progress", part: "model", done: 0 });
    vi.advanceTimersByTime(3400);
    expect(screen.window().join("\n")).toMatch(/0:03 so far/);
    log.close();
  });
});

describe("a terminal that changes", () => {
  it("leaves one plan when the window becomes narrower", () => {
    const lines = drawRun(110, { narrower: 60 }).screen.lines();
    expect(
      [/^riseCot$/, /^riseCot: warning: step 7/, /^a line of the program$/].map((text) => count(lines, text)),
    ).toEqual([1, 1, 1]);
    expect(count(lines, /^ {2}\S train /)).toBe(1);
  });

  it("leaves one plan when the window has few lines", () => {
    const { screen, views } = drawRun(80, { rows: 3 });
    for (const view of views) expect(view.length).toBeLessThanOrEqual(3);
    expect(count(screen.lines(), /^ {2}✓ train/)).toBe(1);
  });
});
