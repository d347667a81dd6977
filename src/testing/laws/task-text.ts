import { strict as assert } from "node:assert";
import type { Rng } from "../../rng";
import { cpuTime } from "./cpu-time";
import { writtenText } from "./generate";
import { forAll, type Laws } from "./laws";
import type { TaskSubject } from "./task-subject";

export const textLaws: Laws<TaskSubject<unknown>> = {
  "reads back what it writes": ({ task, annotation, runs }) =>
    forAll(runs, annotation, (a) => assert.deepEqual(task.parse(task.format(a)), a)),

  "reads back what it writes from prose and a code fence": ({ task, annotation, runs }) =>
    forAll(runs, annotation, (a) => {
      const text = `Sure, here it is:\n\`\`\`json\n${task.format(a)}\n\`\`\`\nAnything else?`;
      assert.deepEqual(task.parse(text), a);
    }),

  "overlooks nothing in what it writes, and says what it overlooks in prose around it": ({ task, annotation, runs }) =>
    forAll(runs, annotation, (a) => {
      assert.deepEqual(task.repairs?.(task.format(a)), []);
      assert.notDeepEqual(task.repairs?.(`Well: ${task.format(a)}`), []);
    }),

  "is strict on demand: what it would have to repair does not parse, all else does as before": (subject) => {
    const { task, strict, annotation, answers, runs } = subject;
    const text = writtenText(answers);
    const answer = (rng: Rng) => (rng.integer(2) === 0 ? text(rng) : task.format(annotation(rng)));
    forAll(5 * runs, answer, (answer) => {
      const repaired = (task.repairs?.(answer) ?? []).length > 0;
      assert.deepEqual(strict?.parse(answer), repaired ? null : task.parse(answer));
    });
  },

  "never throws on what a model wrote": ({ task, answers, runs }) =>
    forAll(20 * runs, writtenText(answers), (answer) => {
      task.parse(answer);
      task.repairs?.(answer);
      task.problem?.(answer);
    }),

  "parses in linear time": ({ task, answers }) => {
    for (const piece of [...hostile, answers.join(""), answers.join("\n").replaceAll("]", "").replaceAll("}", "")]) {
      if (piece === "") continue;
      const time = (length: number) => {
        const input = piece.repeat(Math.ceil(length / piece.length));
        return Math.min(...[1, 2, 3].map(() => cpuTime(() => task.parse(input))));
      };
      // A first call compiles the parser.
      time(10_000);
      const limit = 24 * time(10_000) + 100;
      const taken = time(80_000);
      // Quadratic would be 64 times as long.
      assert.ok(taken < limit, `${JSON.stringify(piece)} repeated: expected less than ${limit} ms, took ${taken} ms`);
    }
  },
};

const hostile = [
  "{",
  "[",
  "(",
  "{'",
  "{'a':",
  "[[1,2,3,4],",
  "{'a': 0.1,",
  "' ",
  "[1 ",
  "1",
  "{{'a': 1}}",
  "(((([1,2,3,4]",
  "'",
];
