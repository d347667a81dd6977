import { describe, expect, it } from "vitest";
import { z } from "zod";
import { ConfigError } from "../../src/errors";
import { nearest } from "../../src/options/did-you-mean";
import { namesElsewhere } from "../../src/options/names-elsewhere";
import {
  callback,
  choice,
  count,
  divisor,
  flag,
  given,
  group,
  groupOrFalse,
  having,
  keyOf,
  list,
  notNegative,
  number,
  positive,
  readArgument,
  readOptions,
  requiredGroup,
  type Spec,
  secret,
  seed,
  share,
  specOf,
  text,
} from "../../src/options/spec";

interface Options {
  readonly runDir?: string;
  readonly steps?: number;
  readonly sampling?: { readonly temperature?: number; readonly topP?: number };
  readonly sft?: { readonly epochs?: number } | false;
}

const spec = specOf<Options>()(() => ({
  runDir: text().optional(),
  steps: count().default(10),
  sampling: group({ temperature: positive().default(1), topP: share().optional() }),
  sft: groupOrFalse({ epochs: count().default(2) }).optional(),
}));
// @ts-expect-error steps is missing
export const incomplete = specOf<Options>()(() => ({ runDir: text(), sampling: group({}), sft: groupOrFalse({}) }));
// @ts-expect-error there is no option "stop"
export const excessive = specOf<Options>()(() => ({ ...spec(), stop: flag() }));

const read = (options: unknown) => readOptions("train", options as Options, spec);
const refusal = (options: unknown) => () => read(options);

it("makes a spec at its first use, and once", () => {
  let made = 0;
  const counted = specOf<{ steps?: number }>()(() => {
    made++;
    return { steps: count().default(1) };
  });
  expect(made).toBe(0);
  for (const steps of [2, 3]) expect(readOptions("train", { steps }, counted)).toEqual({ steps });
  expect(made).toBe(1);
});

describe("readOptions", () => {
  it("gives each option's default when it is absent or undefined, at every level", () => {
    const defaults = { steps: 10, sampling: { temperature: 1 } };
    expect(read({})).toEqual(defaults);
    expect(read({ steps: undefined, unknown: undefined, sampling: { topP: undefined, unknown: undefined } })).toEqual(
      defaults,
    );
    expect(read({ steps: 3, sampling: { topP: 0.5 }, sft: {} })).toEqual({
      steps: 3,
      sampling: { temperature: 1, topP: 0.5 },
      sft: { epochs: 2 },
    });
    expect(read({ sft: false })).toEqual({ ...defaults, sft: false });
  });

  it.each([
    ["fp16", ["float32", "half"], '; here it is called "half"'],
    ["8bit", ["float32", "int8"], '; here it is called "int8"'],
    ["gpu", ["cpu", "cuda"], '; here it is called "cuda"'],
    ["fp16", ["small", "large"], ""],
    ["larg", ["small", "large"], '; did you mean "large"?'],
  ] as const)("names the choice that was meant when it gets %j for one of %j", (value, values, ending) => {
    const wrong = () => readArgument("train", "kind", value, choice(values));
    expect(wrong).toThrow(
      new ConfigError(`train: expected kind to be one of ${values.join(", ")}, got "${value}"${ending}`),
    );
  });

  it.each<[unknown, string]>([
    [{ rundir: "x" }, 'unknown option "rundir"; did you mean "runDir"?'],
    [{ sampling: { temprature: 1 } }, 'unknown option "sampling.temprature"; did you mean "sampling.temperature"?'],
    [{ sft: { epoch: 1 } }, 'unknown option "sft.epoch"; did you mean "sft.epochs"?'],
    [{ optimizer: 1 }, 'unknown option "optimizer"; expected one of runDir, steps, sampling, sft'],
    [{ toString: 1 }, 'unknown option "toString"; expected one of runDir, steps, sampling, sft'],
  ])("names the option that was meant, or all that exist, when it does not know %j", (options, message) =>
    expect(refusal(options)).toThrow(new ConfigError(`train: ${message}`)),
  );

  it.each<[unknown, string]>([
    [{ max_steps: 5 }, 'unknown option "max_steps"; here it is called "steps"'],
    [{ output_dir: "x" }, 'unknown option "output_dir"; here it is called "runDir"'],
    [{ num_train_epochs: 5 }, 'unknown option "num_train_epochs"; here it is called "sft.epochs"'],
    [{ sft: { num_train_epochs: 5 } }, 'unknown option "sft.num_train_epochs"; here it is called "sft.epochs"'],
  ])("names the option as it is called here when %j is another library's", (options, message) =>
    expect(refusal(options)).toThrow(new ConfigError(`train: ${message}`)),
  );

  it("names an unknown option first when a required one is missing", () => {
    const required = specOf<{ learningRate: number }>()(() => ({ learningRate: positive() }));
    const options = { lr: 1 } as unknown as { learningRate: number };
    expect(() => readOptions("sgd", options, required)).toThrow(
      new ConfigError('sgd: unknown option "lr"; here it is called "learningRate"'),
    );
    expect(() => readOptions("sgd", {} as { learningRate: number }, required)).toThrow(
      new ConfigError("sgd: expected learningRate to be a number above 0, got nothing"),
    );
  });

  it.each<[unknown, string]>([
    [undefined, "its options to be an object, got undefined"],
    [null, "its options to be an object, got null"],
    [[1], "its options to be an object, got [1]"],
    [{ sampling: null }, "sampling to be an object, got null"],
    [{ sampling: true }, "sampling to be an object, got true"],
    [{ sft: true }, "sft to be false, or an object, got true"],
    [{ sft: { epochs: 0 } }, "sft.epochs to be a whole number of at least 1, got 0"],
    [{ steps: "1" }, 'steps to be a whole number of at least 1, got "1"'],
    [{ runDir: "" }, 'runDir to be text that is not empty, got ""'],
  ])("says what was expected, where, and what came when given %j", (options, message) =>
    expect(refusal(options)).toThrow(new ConfigError(`train: expected ${message}`)),
  );
});

describe("text where an object belongs", () => {
  const key = "sk-0123456789";

  it.each<[string, z.ZodType, string]>([
    ["group", group({ topP: share() }), "an object"],
    ["requiredGroup", requiredGroup({ topP: share() }), "an object"],
    ["groupOrFalse", groupOrFalse({ topP: share() }), "false, or an object"],
    ["given", given("an object", (value: unknown) => typeof value === "object"), "an object"],
    ["having", having("a backend", "generate"), "a backend"],
    [
      "a union with having",
      z.union([callback(), having("", "generate")], "a backend, or a function"),
      "a backend, or a function",
    ],
  ])("is called text, and never shown, by %s", (_, schema, words) => {
    const message = new ConfigError(`call: expected it to be ${words}, got text`);
    expect(() => readArgument("call", "it", key, schema)).toThrow(message);
    expect(() => readOptions("call", { it: key }, () => ({ it: schema }))).toThrow(message);
  });

  it("is called text when it stands for all options", () => {
    expect(refusal(key)).toThrow(new ConfigError("train: expected its options to be an object, got text"));
  });

  it("is shown if it looks like no key, unless the options have one", () => {
    expect(refusal("x")).toThrow(new ConfigError('train: expected its options to be an object, got "x"'));
    for (const value of ["x", "1e-5", "Qwen/Qwen2-VL-2B-Instruct", "a learning rate of 1e-5"])
      expect(() => readArgument("call", "it", value, having("a backend", "generate"))).toThrow(
        new ConfigError(`call: expected it to be a backend, got "${value}"`),
      );
    const withKey = () => ({ apiKey: secret("a key", () => true).optional() });
    expect(() => readOptions<{ apiKey?: string }, Spec<{ apiKey?: string }>>("call", "x" as never, withKey)).toThrow(
      new ConfigError("call: expected its options to be an object, got text"),
    );
  });
});

const accepts = (schema: z.ZodType, value: unknown) => () => readArgument("call", "it", value, schema);

describe("constructors", () => {
  it.each<[string, z.ZodType, readonly unknown[], readonly unknown[], string]>([
    ["count(2)", count(2), [2, 100], [1, 2.5, "2", Number.NaN, null], "a whole number of at least 2"],
    ["number()", number(), [0, -1, Number.POSITIVE_INFINITY], [Number.NaN, "1", null, 1n], "a number"],
    ["number with a range", number("in [0, 1]", (x) => x >= 0 && x <= 1), [0, 1], [-1, 2, Number.NaN], "in [0, 1]"],
    ["notNegative()", notNegative(), [0, Number.POSITIVE_INFINITY], [-1, Number.NaN], "a number of at least 0"],
    ["positive()", positive(), [1e-9, Number.POSITIVE_INFINITY], [0, -1], "a number above 0"],
    ["share()", share(), [1e-9, 1], [0, 1.1], "in (0, 1]"],
    ["divisor()", divisor(), [1e-6, 1e6], [0, 1e-7, 1e7, Number.POSITIVE_INFINITY], "from 0.000001 to 1000000"],
    ["flag()", flag(), [true, false], ["no", 0, null], "true or false"],
    ["text with words", text("a path"), ["x"], ["", 1, null], "a path"],
    ["choice()", choice(["a", "b c"]), ["a", "b c"], ["c", 1], 'one of a, "b c"'],
    ["keyOf()", keyOf({ first: 1, second: 2 }), ["first"], ["toString"], "one of first, second"],
    ["seed()", seed(), [0, -1, 2 ** 40], [1.5, Number.NaN, "x", null], "a whole number"],
    ["given()", given("a pair", (value: unknown) => Array.isArray(value)), [[1]], [1, "x", null], "a pair"],
    ["callback()", callback(), [() => 1], [1, "x", {}], "a function"],
    ["list()", list("texts", (value) => typeof value === "string"), [[], ["x"]], [[1], "x"], "texts"],
  ])("%s accepts what is in its range, and says what was expected otherwise", (_, schema, good, bad, words) => {
    for (const value of good) expect(accepts(schema, value)()).toBe(value);
    for (const value of bad) expect(accepts(schema, value)).toThrow(`call: expected it to be ${words}, got `);
    expect(accepts(schema, undefined)).toThrow(`call: expected it to be ${words}, got nothing`);
  });

  it.each<[unknown, string]>([
    [{}, "something without generate()"],
    [null, "null"],
    [Promise.resolve(), "a promise: await it"],
    [() => {}, "a function: pass what it returns"],
    [undefined, "nothing"],
    [1, "1"],
  ])("having() says what came in place of the methods when given %o", (value, got) => {
    expect(accepts(having("a backend", "generate"), value)).toThrow(
      new ConfigError(`call: expected it to be a backend, got ${got}`),
    );
  });

  it("having() gives the object itself, methods of a class included", () => {
    class Backend {
      generate() {}
    }
    const backend = new Backend();
    expect(accepts(having("a backend", "generate"), backend)()).toBe(backend);
  });

  it("secret() never shows its value", () => {
    const key = secret("a key without spaces", (value) => !value.includes(" "));
    expect(accepts(key, "sk-1")()).toBe("sk-1");
    for (const value of ["sk 1", 12345, ["sk-1"]])
      expect(accepts(key, value)).toThrow(
        new ConfigError("call: expected it to be a key without spaces, got something else"),
      );
  });
});

describe("namesElsewhere", () => {
  it("never has a name that is used here", () => {
    const here = new Set([...namesElsewhere.values()].flat());
    expect([...namesElsewhere.keys()].filter((name) => here.has(name))).toEqual(["epsilon"]);
  });
});

describe("nearest", () => {
  it("finds a name when a third of its letters differ at most, and ignores case", () => {
    expect(nearest("LEARNINGRATE", ["threshold", "learningRate"])).toBe("learningRate");
    expect(nearest("metric", ["metrics", "maxTokens"])).toBe("metrics");
    expect(nearest("epochs", ["steps", "seed"])).toBeUndefined();
  });
});
