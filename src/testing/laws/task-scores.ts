import { strict as assert } from "node:assert";
import { DataError } from "../../errors";
import type { Rng } from "../../rng";
import { anything, writtenText } from "./generate";
import { forAll, type Laws } from "./laws";
import type { TaskSubject } from "./task-subject";

/** Laws about annotations, similarities and leaks. */
export const scoreLaws: Laws<TaskSubject<unknown>> = {
  "accepts the annotations it writes": ({ task, annotation, runs }) =>
    forAll(runs, annotation, (a) => task.validate(a, "the annotation")),

  "names the place of what is no annotation, whatever it is, and trips on nothing": ({ task, runs }) =>
    forAll(10 * runs, anything, (other) => {
      try {
        task.validate(other, "row 7");
      } catch (error) {
        assert.ok(error instanceof DataError, `expected a DataError, got ${String(error)}`);
        assert.ok(error.message.includes("row 7"), `expected the place, "row 7", in "${error.message}"`);
      }
    }),

  "gives an annotation similarity 1 to itself": ({ task, annotation, runs }) =>
    forAll(runs, annotation, (a) => assert.equal(task.similarity(a, a), 1)),

  "keeps similarity within [0, 1] between annotations and for everything that parses": (subject) => {
    const { task, annotation, answers, runs } = subject;
    const expectInBounds = (s: number) => assert.ok(s >= 0 && s <= 1, `expected 0 ≤ similarity ≤ 1, got ${s}`);
    const pair = (rng: Rng) => [annotation(rng), annotation(rng)] as const;
    forAll(runs, pair, ([a, b]) => expectInBounds(task.similarity(a, b)));
    const text = writtenText(answers);
    forAll(
      5 * runs,
      (rng) => [annotation(rng), text(rng)] as const,
      ([a, answer]) => {
        const prediction = task.parse(answer);
        if (prediction !== null) expectInBounds(task.similarity(a, prediction));
      },
    );
  },

  "finds a leak in a cot that is the answer itself": ({ task, annotation, runs }) =>
    forAll(runs, annotation, (a) => {
      assert.notDeepEqual(task.leaks(task.format(a), a), []);
      assert.notDeepEqual(task.leaks(`I would say ${task.format(a)} because of the light.`, a), []);
    }),

  "finds a leak in every sentence that tells the annotation": ({ task, annotation, tells, runs }) =>
    forAll(runs, annotation, (a) => {
      for (const sentence of tells!(a)) assert.notDeepEqual(task.leaks(sentence, a), [], `no leak in "${sentence}"`);
    }),

  "points every leak at the characters it names": ({ task, annotation, answers, runs }) => {
    const text = writtenText(answers);
    forAll(
      runs,
      (rng) => [annotation(rng), text(rng)] as const,
      ([a, cot]) => {
        for (const { start, end, text } of task.leaks(cot, a, { strict: true }))
          assert.equal(cot.slice(start, end), text);
      },
    );
  },
};
