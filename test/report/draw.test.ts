import { describe, expect, it } from "vitest";
import { rating } from "../../examples/own-task/rating";
import { htmlReport } from "../../src/report";
import { preflightPage } from "../../src/report/sections/preflight";
import type { Task } from "../../src/task";
import type { DrawnShape, Point } from "../../src/types";

const image = { width: 80, height: 40, data: new Uint8Array(9600).fill(200) };

/** A task that the library has never heard of: one point for each thing that is counted. */
interface Count {
  readonly noun: string;
  readonly places: readonly Point[];
}
const { cotPrompt, reconstructionPrompt, answerPrompt } = rating({ question: "How many?" }) as unknown as Task<Count>;
const counting: Task<Count> = {
  name: "counting",
  cotPrompt,
  reconstructionPrompt,
  answerPrompt,
  format: ({ noun, places }) => `${places.length} × ${noun}`,
  parse: () => null,
  similarity: (a, b) => Number(a.places.length === b.places.length),
  leaks: () => [],
  validate: () => {},
  draw: ({ noun, places }) => [
    ...places.map(([x, y], i): DrawnShape => ({ type: "point", space: "unit", x, y, label: `${noun} ${i + 1}` })),
    { type: "bar", label: noun, share: places.length / 10 },
  ],
};
const truth: Count = { noun: "<mugs>", places: [[0.25, 0.5]] };
const dataset = [{ id: "a", image, annotation: truth }];
const withoutScript = (html: string) => html.split('<script type="application/json"')[0]!;
const reported = async (task: Task<Count>, prediction: unknown) => {
  const html = await htmlReport({
    title: "t",
    task,
    dataset,
    runs: [],
    records: [{ exampleId: "a", text: "", think: null, prediction: prediction as Count }],
  });
  return withoutScript(html);
};

describe("a page about a task of one's own", () => {
  it("shows the points, the labels and the bars that the task draws, escaped", async () => {
    const html = await reported(counting, { noun: "cups", places: [[1, 0]] });
    expect(html).toContain('<circle class="truth" cx="20" cy="20" r="1"><title>&lt;mugs&gt; 1</title></circle>');
    expect(html).toContain('<circle class="prediction" cx="80" cy="0" r="1"><title>cups 1</title></circle>');
    expect(html).toMatch(
      /<th scope="row">&lt;mugs&gt;<\/th><td><svg class="bars"[^>]*><rect class="truth" y="1" width="10.0"/,
    );
    expect(html).toMatch(/<th scope="row">cups<\/th>.*<rect class="prediction" y="11" width="10.0"/);
    expect(html).not.toContain("<mugs>");
  });

  it("shows the same before the first step", async () => {
    const html = await preflightPage(counting, dataset, []);
    expect(html).toContain('<circle class="truth" cx="20" cy="20" r="1"><title>&lt;mugs&gt; 1</title></circle>');
    expect(html).toContain('<th scope="row">&lt;mugs&gt;</th>');
  });

  it("shows the formatted text when the task has no draw, whatever its annotations look like", async () => {
    const scores: Task<Readonly<Record<string, number>>> = {
      ...(counting as unknown as Task<Readonly<Record<string, number>>>),
      format: (score) => `<b>${score.value}`,
    };
    const { draw: _, ...silent } = scores;
    const html = await htmlReport({
      title: "t",
      task: silent,
      dataset: [{ id: "a", image, annotation: { value: 0.5 } }],
      runs: [],
      records: [{ exampleId: "a", text: "", think: null, prediction: { value: 0.25 } }],
    });
    expect(html).toContain("<code>&lt;b&gt;0.5</code>");
    expect(html).toContain("<code>&lt;b&gt;0.25</code>");
    expect(withoutScript(html).split("<article>")[1]).not.toMatch(/<rect|<polygon|<circle/);
  });

  it.each([
    ["draw fails", { noun: "cups" }, /counting could not draw an annotation: .*undefined/],
    ["a coordinate is NaN", { noun: "cups", places: [[Number.NaN, 0]] }, /expected finite coordinates, got NaN/],
    ["a coordinate is text", { noun: "cups", places: [['"/><script>', 0]] }, /expected finite coordinates, got NaN/],
  ])("says so and shows the rest when %s", async (_, prediction, message) => {
    const html = await reported({ ...counting, format: () => "cups" }, prediction);
    expect(html).toMatch(message);
    expect(html).toContain('<circle class="truth"');
    expect(html).not.toContain("<script>");
  });

  it("says so when a shape is of a kind or a space that no page knows", async () => {
    for (const shape of [
      { type: "box", space: "inch", x: 0, y: 0, width: 1, height: 1 },
      { type: "star", space: "unit", x: 0, y: 0 },
    ]) {
      const html = await reported({ ...counting, draw: () => [shape as DrawnShape] }, truth);
      expect(html).toContain("counting could not draw an annotation");
    }
  });
});
