import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { copyFile, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { rating } from "../../examples/own-task/rating";
import { commands } from "../../src/cli/commands";
import { exitCodeOf, exitCodes } from "../../src/cli/frame/exit-codes";
import { flagsOf } from "../../src/cli/frame/flags";
import { createOutput, table } from "../../src/cli/frame/output";
import { describeData } from "../../src/cli/inputs/check-data";
import type { ConfigData } from "../../src/config/data";
import { BackendError, CheckpointError, ConfigError, DataError } from "../../src/errors";
import { rowsOf } from "../../src/options/rows";
import { riseCotSpec } from "../../src/rise/rise-cot-options";
import { columnsOf } from "../../src/terminal/text";
import { temporaryFolder, writeFiles } from "../datasets/temporary";
import { rise } from "./rise";

let folder: string;
beforeAll(async () => {
  folder = await temporaryFolder();
});
afterAll(() => rm(folder, { recursive: true }));

describe("rise-ts", () => {
  it.each([[["--help"]], [["-h"]], [["help"]], [[]]])("%j lists every command", async (argv) => {
    const { code, out, err } = await rise(argv);
    expect([code, err]).toEqual([0, ""]);
    for (const [name, { does }] of Object.entries(commands)) expect(out).toContain(`${name.padEnd(13)}  ${does}`);
  });

  it("prints the version of package.json", async () => {
    const { version } = JSON.parse(await readFile("package.json", "utf8"));
    expect(await rise(["--version"])).toEqual({ code: 0, out: `${version}\n`, err: "" });
  });

  it.each<[string[], string]>([
    [["cto"], 'rise-ts: unknown command "cto"; did you mean "cot"?\n'],
    [["toString"], 'rise-ts: unknown command "toString"; rise-ts --help lists what there is\n'],
    [["doctor", "now"], "rise-ts doctor: expected no argument, got 1; rise-ts doctor --help lists what there is"],
    [["memory"], "rise-ts memory: expected MODEL, got none; rise-ts memory --help lists what there is\n"],
    [["cot", "--grupSize", "4"], 'rise-ts cot: unknown option "--grupSize"; did you mean "--groupSize"?\n'],
    [
      ["cot", "--num_generations", "4"],
      'rise-ts cot: unknown option "--num_generations"; here it is called "--groupSize"\n',
    ],
    [["r1", "--lora_alpha=4"], 'rise-ts r1: unknown option "--lora_alpha"; here it is called "--lora.alpha"\n'],
    [["cot", "--steps"], "rise-ts cot: expected a value after --steps, got none; rise-ts cot --help"],
    [
      ["data", "chek"],
      'rise-ts data: expected ACTION to be one of check, convert, export, got "chek"; did you mean "check"?\n',
    ],
    [
      ["report", "x", "--watch", "1e9"],
      "rise-ts report: expected watch to be a whole number from 1 to 86400, got 1000",
    ],
    [["eval", "--split", "tset"], 'rise-ts eval: expected split to be one of test, validation, train, got "tset"\n'],
    [
      ["completion", "csh"],
      'rise-ts completion: completion: expected SHELL to be one of bash, zsh, fish, got "csh"; did you mean "zsh"?\n',
    ],
  ])("%j exits with 2 and says what was expected", async (argv, message) => {
    const { code, out, err } = await rise(argv, { folder });
    expect([code, out]).toEqual([2, ""]);
    expect(err.slice(0, message.length)).toBe(message);
  });

  it("aligns columns of wide characters, and prints no control character of a name", () => {
    const rows = [
      ["例", "value"],
      ["猫のいる画像", "0.5"],
      ["ab", "10.25"],
    ];
    expect(table(rows).split("\n")).toEqual(["例            value", "猫のいる画像    0.5", "ab            10.25"]);
    let printed = "";
    const { say, outcome, error } = createOutput(
      ...([0, 1].map(() => (text: string) => (printed += text)) as [never, never]),
    );
    say("left out: \x1b[31mred.jpg");
    outcome({ result: {}, text: "one\n\x1b[2Jtwo" }, false);
    error("rise-ts", new DataError("a\x07.csv: expected rows"), false);
    expect(printed).toBe("left out: \\u001b[31mred.jpg\none\n\\u001b[2Jtwo\nrise-ts: a\\u0007.csv: expected rows\n");
  });

  it("exits with a code for each kind of error", () => {
    const codes = [new ConfigError("x"), new DataError("x"), new CheckpointError("x"), new BackendError("x")];
    expect(codes.map(exitCodeOf)).toEqual([2, 3, 4, 1]);
    expect(exitCodeOf(new DOMException("x", "AbortError"))).toBe(130);
    expect(exitCodeOf("x")).toBe(1);
  });

  it.skipIf(!existsSync("/dev/full"))("says without a stack that its output is full", () => {
    const program = `"${process.execPath}" --import tsx src/cli/main.ts completion bash > /dev/full`;
    const { status, stderr } = spawnSync("sh", ["-c", program], { encoding: "utf8" });
    expect([status, stderr]).toEqual([1, "rise-ts: expected an output that can be written to, got a full disk\n"]);
  });

  it("has every exit code in its page", async () => {
    const page = await readFile("docs/commands.md", "utf8");
    for (const code of Object.values(exitCodes)) expect(page).toContain(`| ${code} |`);
    for (const name of Object.keys(commands)) expect(page).toContain(`\`${name}`);
  });

  it("prints results and errors as JSON when --json is passed", async () => {
    for (const file of ["config.json", "preprocessor_config.json"])
      await copyFile(join("examples", "tiny-vlm", "checkpoint", file), join(folder, file));
    const { code, out } = await rise(["memory", folder, "--json"]);
    const { estimates } = JSON.parse(out);
    const total = (name: string) => estimates.find((each: { name: string }) => each.name === name).bytes.total;
    expect(code).toBe(0);
    expect(total("LoRA, rank 16, 8 at once")).toBeGreaterThan(total("sampling, 1 completion"));
    expect(total("all weights, 8 at once")).toBeGreaterThan(total("LoRA, rank 16, 8 at once"));
    expect(total("all weights, 8 at once, checkpointing")).toBeLessThan(total("all weights, 8 at once"));
    const failed = await rise(["memory", "examples/demo", "--json"]);
    expect(JSON.parse(failed.out).error).toMatchObject({ name: expect.any(String), exitCode: failed.code });
    expect(failed.err).toMatch(/^rise-ts memory: .*examples\/demo.*config\.json/);
  });
});

describe("the help of rise-ts cot", () => {
  it("gives each option of stage 1 its range, default and meaning from the schemas", async () => {
    const out = (await rise(["cot", "--help"])).out.replace(/\n {20,}/g, " ");
    expect(out).toMatch(/--groupSize +G, cots sampled .* \(a whole number of at least 1, 8 without it\)$/m);
    expect(out).toMatch(/--sampling\.temperature +Divides the logits; .* \(a finite number above 0, 1 without it\)$/m);
    expect(out).toMatch(/--lora\.rank +The rank .* \(a whole number of at least 1, required\)$/m);
    expect(out).not.toContain("--r1.");
  });

  it("has every option of stage 1 that text can hold", async () => {
    const names = new Set(flagsOf(await commands.cot!.load()).map(({ name }) => name));
    const supplied = /^(?:task|dataset|heldOut|trainer|backend|runDir|resume|seed|onOmission|stop|signal)$/;
    const options = rowsOf(riseCotSpec()).filter(
      ({ name, range }) => !supplied.test(name) && !/^an object/.test(range),
    );
    expect(options.filter(({ name }) => !names.has(name)).map(({ name }) => name)).toEqual([]);
    expect(options.length).toBeGreaterThan(60);
  });
});

describe("every command", () => {
  it.each<[string, readonly string[]]>([
    ["data", ["model", "resume"]],
    ["init", ["resume"]],
    ["compare", ["model", "runDir", "resume"]],
    ["annotate", ["seed"]],
    ["report", ["model", "resume", "seed"]],
    ["merge", ["resume", "seed"]],
  ])("%s neither offers nor takes options that do nothing in it", async (name, idle) => {
    const { out } = await rise([name, "--help"]);
    for (const option of ["model", "runDir", "resume", "seed"])
      expect(new RegExp(`^ +--${option} `, "m").test(out), option).toBe(!idle.includes(option));
    for (const option of idle)
      expect((await rise([name, `--${option}`, "1"], { folder })).err).toContain(`unknown option "--${option}`);
  });

  it.each(Object.keys(commands))("%s has help", async (name) => {
    const { code, out } = await rise([name, "--help"]);
    expect([code, out.split("\n")[0]]).toEqual([0, expect.stringContaining(`Usage: rise-ts ${name}`)]);
    // A terminal of 80 columns breaks no line, apart from a word that is too long.
    expect(out.split("\n").filter((line) => columnsOf(line) > 80 && /\S \S/.test(line))).toEqual([]);
  });

  it("is written in files of at most 120 lines", async () => {
    const files = (await readdir("src/cli", { recursive: true })).filter((file) => file.endsWith(".ts"));
    for (const file of files)
      expect((await readFile(join("src", "cli", file), "utf8")).split("\n").length - 1, file).toBeLessThanOrEqual(120);
  });
});

describe("completion", () => {
  it.each<[string[], string[]]>([
    [["co"], ["cot", "compare", "completion"]],
    [["cot", "--sampling.te"], ["--sampling.temperature"]],
    [
      ["cot", "--credit", ""],
      ["both", "reconstruction"],
    ],
    [
      ["eval", "--split", "t"],
      ["test", "train"],
    ],
    [["r1", "pictures"], []],
    [["nothing", "--"], []],
  ])("of %j is %j", async (words, expected) => {
    const { out } = await rise(["complete", "--", ...words]);
    expect(out.split("\n").filter(Boolean)).toEqual(expected);
  });

  it("is a program for each shell", async () => {
    for (const shell of ["bash", "zsh", "fish"]) {
      const { code, out } = await rise(["completion", shell]);
      expect([code, out]).toEqual([0, expect.stringContaining("rise-ts complete -- ")]);
      // The package has the program under both names.
      expect(out).toMatch(/(?: rise-ts rise$|-c rise -w rise-ts$)/m);
    }
  });
});

describe("data", () => {
  it("tells how often each annotation of an own task is there", async () => {
    const examples = [3, 3, 0].map((annotation, i) => ({ id: `${i}`, image: "a.jpg", annotation }));
    const task = { ...rating({ question: "How crowded is it?" }) };
    const data = { task, train: examples, validation: [], test: [], omissions: [] } as ConfigData;
    expect(describeData(data).text).toContain(`To learn from: 2 of ${task.format(3)}, 1 of ${task.format(0)}.`);
  });

  it("names the file, and exits with 3, when an image is missing", async () => {
    await writeFiles(folder, { "labels.csv": "image,joy,sadness\nnone.jpg,1,0\n" });
    const flags = ["--task.kind", "classification", "--task.labels", "joy,sadness", "--format", "csv"];
    const { code, err } = await rise(["data", "check", ...flags, "--path", "labels.csv"], { folder });
    expect(code).toBe(3);
    expect(err).toMatch(/^rise-ts data: .*labels\.csv:2: expected an image file at .*none\.jpg, got none/);
  });
});
