import { describe, expect, it } from "vitest";
import { ConfigError } from "../../src/errors";
import { nearest } from "../../src/options/did-you-mean";
import {
  checkBooleans,
  checkMethods,
  checkNumber,
  checkOptions,
  checkSeed,
  type Names,
} from "../../src/options/options";

interface Options {
  readonly runDir?: string;
  readonly steps: number;
  readonly sampling?: { readonly temperature?: number; readonly topP?: number } | false;
}

const names: Names<Options> = { runDir: true, steps: true, sampling: { temperature: true, topP: true } };
// @ts-expect-error steps is missing
export const incomplete: Names<Options> = { runDir: true, sampling: true };
// @ts-expect-error topP is missing within sampling
export const incompleteWithin: Names<Options> = { runDir: true, steps: true, sampling: { temperature: true } };
// @ts-expect-error there is no such option
export const excessive: Names<Options> = { runDir: true, steps: true, sampling: true, stpes: true };

describe("option names", () => {
  const check = (options: unknown) => () => checkOptions("train", options, names);

  it("that are known pass, at every level, and so does what is undefined", () => {
    expect(check({ runDir: "x", steps: 1, sampling: { topP: 1 } })).not.toThrow();
    expect(check({ rundir: undefined, sampling: { temprature: undefined } })).not.toThrow();
    expect(check({ sampling: undefined })).not.toThrow();
  });

  it("that are misspelled are refused with the one that was meant", () => {
    expect(check({ rundir: "x" })).toThrow(new ConfigError('train: unknown option "rundir"; did you mean "runDir"?'));
    expect(check({ sampling: { temprature: 1 } })).toThrow(
      'train: unknown option "sampling.temprature"; did you mean "sampling.temperature"?',
    );
  });

  it("that are like no other are refused with all that there are, those of every object among them", () => {
    expect(check({ epochs: 1 })).toThrow('train: unknown option "epochs"; expected one of runDir, steps, sampling');
    expect(check({ toString: 1 })).toThrow('unknown option "toString"');
  });

  it.each<[unknown, string]>([
    [undefined, "train: expected its options to be an object, got undefined"],
    ["sk-secret", "train: expected its options to be an object, got text"],
    [[1], "train: expected its options to be an object, got [1]"],
    [{ sampling: null }, "train: expected sampling to be an object, got null"],
    [{ sampling: true }, "train: expected sampling to be an object, got true"],
  ])("are not those of %j", (options, message) => expect(check(options)).toThrow(new ConfigError(message)));
});

describe("option values", () => {
  it("that are true or false are neither text nor numbers", () => {
    expect(() => checkBooleans("train", { resume: true, preflight: undefined })).not.toThrow();
    expect(() => checkBooleans("train", { resume: "no" as never })).toThrow(
      'train: expected resume to be true or false, got "no"',
    );
  });

  it("that are numbers are no text, whatever it says", () => {
    expect(() => checkNumber("train", "steps > 0", 1, true)).not.toThrow();
    expect(() => checkNumber("train", "steps > 0", -1, false)).toThrow("train: expected steps > 0, got -1");
    expect(() => checkNumber("train", "steps > 0", "1" as never, true)).toThrow('train: expected steps > 0, got "1"');
  });

  it.each([Number.NaN, "x", null, 1.5, Number.POSITIVE_INFINITY])("that are a seed are not %j", (seed) =>
    expect(() => checkSeed("train", seed as number)).toThrow(/^train: expected seed to be a whole number, got /),
  );
  it.each([0, -1, 2 ** 40, undefined])("may be the seed %j", (seed) =>
    expect(() => checkSeed("train", seed)).not.toThrow(),
  );

  it.each<[unknown, string]>([
    [{}, "something without generate()"],
    [Promise.resolve(), "a promise: await it"],
    [() => {}, "a function: pass what it returns"],
    [undefined, "undefined"],
    ["qwen", '"qwen"'],
  ])("that have methods are not %j", (value, got) =>
    expect(() => checkMethods("a backend", value, ["generate"])).toThrow(`expected a backend; got ${got}`),
  );
});

it("the nearest name differs by a third of its letters at most, and by none for upper and lower case", () => {
  expect(nearest("LEARNINGRATE", ["threshold", "learningRate"])).toBe("learningRate");
  expect(nearest("metric", ["metrics", "maxTokens"])).toBe("metrics");
  expect(nearest("epochs", ["steps", "seed"])).toBeUndefined();
});
