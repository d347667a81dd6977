import { describe, expect, it } from "vitest";
import { createChoice } from "../../src/report/reading/choice";

const judged = (reward: number, more: object = {}) => ({
  ...{ reward, leaks: 0, isReadable: true, isClipped: false, spread: 0 },
  ...more,
});

describe("the choice of rollouts", () => {
  it("takes all when they fit, each once", () => {
    const choice = createChoice<number>(100);
    for (let i = 0; i < 100; i++) choice.add(i, judged(i / 100, { leaks: i % 3, spread: 1 }));
    expect(
      choice
        .chosen()
        .map(({ row }) => row)
        .sort((a, b) => a - b),
    ).toEqual(Array.from({ length: 100 }, (_, i) => i));
  });

  it("takes the best, the worst, leaking, unreadable, cut-off and widely spread ones, and a sample of the rest", () => {
    const most = 200;
    const choice = createChoice<number>(most);
    // Only these few are anything but middling.
    const special = new Map<number, object>([
      [7000, { reward: 1 }],
      [7001, { reward: 0 }],
      [7002, { leaks: 3 }],
      [7003, { isReadable: false }],
      [7004, { isClipped: true }],
      [7005, { spread: 0.9 }],
    ]);
    for (let i = 0; i < 10_000; i++) choice.add(i, judged(0.5, special.get(i)));
    const chosen = choice.chosen().map(({ row }) => row);
    expect(chosen).toHaveLength(most);
    expect(choice.total).toBe(10_000);
    for (const row of special.keys()) expect(chosen).toContain(row);
    // The sample comes from everywhere.
    for (const tenth of [0, 4, 9]) expect(chosen.some((row) => Math.floor(row / 1000) === tenth)).toBe(true);
  });

  it("is the same whenever it is made", () => {
    const made = () => {
      const choice = createChoice<number>(50);
      for (let i = 0; i < 1000; i++) choice.add(i, judged((i * 7919) % 1));
      return choice.chosen();
    };
    expect(made()).toEqual(made());
  });
});
