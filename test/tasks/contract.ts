import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DataError } from "../../src/errors";
import type { Task } from "../../src/task";
import type { Example } from "../../src/types";
import { cpuTime } from "../cpu-time";

export interface ContractSetup<A> {
  readonly task: Task<A>;
  /** The same task, with `reading: "strict"`. */
  readonly strict: Task<A>;
  /** Valid annotations. */
  readonly annotation: fc.Arbitrary<A>;
  /** Answers as models write them, good and bad; random texts are tried as well. */
  readonly answers: readonly string[];
}

/** What `Task` promises, for every implementation. */
export function describeTaskContract<A>(name: string, { task, strict, annotation, answers }: ContractSetup<A>): void {
  const text = fc.oneof(
    fc.string({ maxLength: 200 }),
    fc.string({ unit: fc.constantFrom(..."{}[]()'\":,.-%0159eE \n_xyp"), maxLength: 80 }),
    fc.constantFrom(...answers),
    fc.tuple(fc.constantFrom(...answers), fc.nat(80)).map(([answer, length]) => answer.slice(0, length)),
  );
  const example = (a: A): Example<A> => ({ id: "e1", image: "image.png", annotation: a, subject: "the red mug" });

  describe(`the task contract: ${name}`, () => {
    it("reads back what it writes", () => {
      fc.assert(fc.property(annotation, (a) => void expect(task.parse(task.format(a))).toEqual(a)));
    });

    it("reads back what it writes from prose and a code fence", () => {
      fc.assert(
        fc.property(annotation, (a) => {
          expect(task.parse(`Sure, here it is:\n\`\`\`json\n${task.format(a)}\n\`\`\`\nAnything else?`)).toEqual(a);
        }),
      );
    });

    it("overlooks nothing in what it writes, and says what it overlooks in prose around it", () => {
      fc.assert(
        fc.property(annotation, (a) => {
          expect(task.repairs?.(task.format(a)) ?? []).toEqual([]);
          expect(task.repairs?.(`Well: ${task.format(a)}`)).not.toEqual([]);
        }),
      );
    });

    it("is strict on demand: what it would have to repair does not parse, all else does as before", () => {
      fc.assert(
        fc.property(fc.oneof(text, annotation.map(task.format)), (answer) => {
          const repaired = (task.repairs?.(answer) ?? []).length > 0;
          expect(strict.parse(answer)).toEqual(repaired ? null : task.parse(answer));
        }),
        { numRuns: 500 },
      );
    });

    it("accepts the annotations it writes", () => {
      fc.assert(fc.property(annotation, (a) => void expect(() => task.validate(a, "the annotation")).not.toThrow()));
    });

    it("names the place of what is no annotation, whatever it is, and trips on nothing", () => {
      const part = fc.anything();
      const like = fc.record({ space: fc.constantFrom("unit", "thousand"), points: part, x: part, anger: part });
      fc.assert(
        fc.property(fc.oneof(part, fc.array(fc.oneof(part, like)), like), (other) => {
          try {
            task.validate(other as A, "row 7");
          } catch (cause) {
            expect(cause).toBeInstanceOf(DataError);
            expect((cause as Error).message).toContain("row 7");
          }
        }),
        { numRuns: 1000 },
      );
    });

    it("gives an annotation similarity 1 to itself", () => {
      fc.assert(fc.property(annotation, (a) => void expect(task.similarity(a, a)).toBe(1)));
    });

    it("keeps similarity within [0, 1] between annotations and for everything that parses", () => {
      const inBounds = (s: number) => {
        expect(s).toBeGreaterThanOrEqual(0);
        expect(s).toBeLessThanOrEqual(1);
      };
      fc.assert(fc.property(annotation, annotation, (a, b) => inBounds(task.similarity(a, b))));
      fc.assert(
        fc.property(annotation, text, (a, answer) => {
          const prediction = task.parse(answer);
          if (prediction !== null) inBounds(task.similarity(a, prediction));
        }),
        { numRuns: 500 },
      );
    });

    it("finds a leak in a cot that is the answer itself", () => {
      fc.assert(
        fc.property(annotation, (a) => {
          expect(task.leaks(task.format(a), a)).not.toEqual([]);
          expect(task.leaks(`I would say ${task.format(a)} because of the light.`, a)).not.toEqual([]);
        }),
      );
    });

    it("points every leak at the characters it names", () => {
      fc.assert(
        fc.property(annotation, text, (a, cot) => {
          for (const leak of task.leaks(cot, a, { strict: true }))
            expect(cot.slice(leak.start, leak.end)).toBe(leak.text);
        }),
      );
    });

    it("never throws on what a model wrote", () => {
      fc.assert(
        fc.property(text, (answer) => void task.parse(answer)),
        { numRuns: 2000 },
      );
    });

    it("parses in linear time", () => {
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
      for (const piece of [...hostile, answers.join(""), answers.join("\n").replaceAll("]", "").replaceAll("}", "")]) {
        const repeat = (length: number) => piece.repeat(Math.ceil(length / piece.length));
        const time = (length: number) => {
          const input = repeat(length);
          return Math.min(...[1, 2, 3].map(() => cpuTime(() => task.parse(input))));
        };
        task.parse(repeat(10_000));
        // Quadratic would be 64 times as long.
        expect(time(80_000), JSON.stringify(piece)).toBeLessThan(24 * time(10_000) + 100);
      }
    });

    it("puts the image first and the text second in one user message", () => {
      fc.assert(
        fc.property(annotation, (a) => {
          const prompts = [
            task.cotPrompt(example(a)),
            task.reconstructionPrompt(example(a), "A quiet street."),
            task.answerPrompt(example(a)),
          ];
          for (const prompt of prompts) {
            expect(prompt).toHaveLength(1);
            expect(prompt[0]!.role).toBe("user");
            expect(prompt[0]!.content.map(({ type }) => type)).toEqual(["image", "text"]);
          }
        }),
        { numRuns: 10 },
      );
    });

    it("shows the annotation when asking for a cot, and never when asking for the annotation", () => {
      const [a] = fc.sample(annotation, { numRuns: 1, seed: 4 });
      expect(promptText(task.cotPrompt(example(a!)))).toContain(task.format(a!));
      expect(promptText(task.reconstructionPrompt(example(a!), "A quiet street."))).not.toContain(task.format(a!));
      expect(promptText(task.answerPrompt(example(a!)))).not.toContain(task.format(a!));
      expect(promptText(task.reconstructionPrompt(example(a!), "A quiet street."))).toContain("A quiet street.");
    });

    it("does not read its own instructions as an answer", () => {
      const [a] = fc.sample(annotation, { numRuns: 1, seed: 4 });
      expect(task.parse(promptText(task.answerPrompt(example(a!))))).toBeNull();
      expect(task.parse(promptText(task.reconstructionPrompt(example(a!), "A quiet street.")))).toBeNull();
    });
  });
}

export function promptText(prompt: ReturnType<Task<unknown>["answerPrompt"]>): string {
  return prompt
    .flatMap(({ content }) => content.flatMap((part) => (part.type === "text" ? [part.text] : [])))
    .join("\n");
}
