import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { rating } from "../../examples/own-task/rating";
import { describeTask } from "../../src/testing";

const task = rating({ question: "How crowded is this place?" });
const answers: readonly (readonly [text: string, expected: number | null])[] = [
  ["rating: 4", 4],
  ["Rating:4.", 4],
  ["I would say rating: 4, so rating: 4", 4],
  ["<b>rating: 4", 4],
  ["4", null],
  ["rating: n", null],
  ["rating: 3-4", null],
  ["rating: 4/5", null],
  ["rating: 4.5", null],
  ["rating: 6", null],
  ["rating: -1", null],
  ["rating: four", null],
  ["rating: 3 or rating: 4", null],
  ["rating: 3 or rating: four", null],
];

const annotation = (rng: { integer(n: number): number }) => 1 + rng.integer(5);
describeTask({ describe, it }, "a task of one's own", { task, annotation, answers: answers.map(([text]) => text) });

describe("rating", () => {
  it.each(answers)("reads %j as %j", (text, expected) => {
    expect(task.parse(text)).toBe(expected);
  });

  it("is the nearer the better: one step of four costs a quarter", () => {
    expect([1, 2, 3, 5].map((prediction) => task.similarity(1, prediction))).toEqual([1, 0.75, 0.5, 0]);
  });

  it("refuses annotations off its scale, and says where", () => {
    for (const bad of [0, 6, 2.5, Number.NaN]) expect(() => task.validate(bad, "row 7")).toThrow(/row 7.*1 to 5/);
  });
});

describe("the example's laws", () => {
  it("pass in node's own test runner, and skip with a reason what does not apply", async () => {
    const cwd = fileURLToPath(new URL("../..", import.meta.url));
    const args = ["--import", "tsx", "--test", "--test-reporter=tap", "examples/own-task/laws.ts"];
    // Vitest's own variables would make node's runner report to a parent that is not there.
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const { stdout } = await promisify(execFile)(process.execPath, args, { cwd, env });
    expect(stdout).toMatch(/^# pass 17$/m);
    expect(stdout).toMatch(/^# fail 0$/m);
    expect(stdout).toMatch(/^# skipped 2$/m);
    expect(stdout).toMatch(/prose around it \(skipped: the task repairs nothing\) # SKIP/);
  });
});
