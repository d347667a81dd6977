import { strict as assert } from "node:assert";
import type { BoxSpace, DrawnShape } from "../../types";
import { writtenText } from "./generate";
import { forAll, type Laws } from "./laws";
import type { TaskSubject } from "./task-subject";

type Size = TaskSubject<unknown>["image"];

export const drawingLaws: Laws<TaskSubject<unknown>> = {
  "draws every annotation inside the image, bars from 0 to 1 long": ({ task, annotation, image, runs }) =>
    forAll(runs, annotation, (a) => {
      for (const shape of task.draw!(a)) for (const place of placesOf(shape, image)) expectInside(place, shape);
    }),

  "draws the same each time, and leaves the annotation as it is": ({ task, annotation, runs }) =>
    forAll(runs, annotation, (a) => {
      const before = structuredClone(a);
      assert.deepEqual(task.draw!(a), task.draw!(a));
      assert.deepEqual(a, before);
    }),

  "draws whatever it parsed, in finite numbers and labels of text": ({ task, annotation, answers, image, runs }) => {
    const text = writtenText(answers);
    forAll(
      5 * runs,
      (rng) => (rng.integer(2) === 0 ? text(rng) : task.format(annotation(rng))),
      (answer) => {
        const prediction = task.parse(answer);
        if (prediction === null) return;
        for (const shape of task.draw!(prediction)) {
          assert.equal(typeof (shape.label ?? ""), "string");
          for (const place of placesOf(shape, image).flat()) assert.ok(Number.isFinite(place), JSON.stringify(shape));
        }
      },
    );
  },
};

/** The corners of a shape, and the end of a bar, as shares of the image. */
function placesOf(shape: DrawnShape, { width, height }: Size): readonly (readonly number[])[] {
  if (shape.type === "bar") return [[shape.share]];
  const sides: Readonly<Record<BoxSpace, readonly [number, number]>> = {
    unit: [1, 1],
    thousand: [1000, 1000],
    pixel: [width, height],
  };
  const [across, down] = sides[shape.space];
  const place = (x: number, y: number) => [x / across, y / down];
  if (shape.type === "polygon") return shape.points.map(([x, y]) => place(x, y));
  if (shape.type === "point") return [place(shape.x, shape.y)];
  return [place(shape.x, shape.y), place(shape.x + shape.width, shape.y + shape.height)];
}

/** Share of the image by which rounding may carry a shape over the edge. */
const slack = 0.011;

function expectInside(place: readonly number[], shape: DrawnShape): void {
  for (const share of place)
    assert.ok(share >= -slack && share <= 1 + slack, `expected a shape inside the image, got ${JSON.stringify(shape)}`);
}
