import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import * as z from "zod";
import { CheckpointError, DataError } from "../../src/errors";
import { jsonScanner } from "../../src/files/json-fault";
import { readJson } from "../../src/files/open";
import { createRng } from "../../src/rng";
import { parseRow, readJson as readRunJson } from "../../src/runs/directory/files";

/** The fault of a text that comes in pieces of `size` characters. */
const faultOf = (text: string, size = text.length || 1): string | undefined => {
  const scanner = jsonScanner();
  for (let at = 0; at < text.length; at += size) {
    const fault = scanner.push(text.slice(at, at + size));
    if (fault !== undefined) return fault;
  }
  return scanner.end();
};
const isJson = (text: string) => {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
};

const sample = '{"a": [1, -2.5e+3, {"b": null, "ü\\u00e9\\n\\"": "x, ]"}], "": {}, "c": [[], [true, false]], "d": 0}';

describe("a scanner for faults in JSON", () => {
  it("finds one exactly when JSON.parse does, in every cut and in texts with changed characters", () => {
    const rng = createRng(7, "json-fault");
    const texts = [...sample].map((_, i) => sample.slice(0, i));
    const marks = [...'{}[],:"\\ 0-.eE+tn'];
    for (let i = 0; i < 4000; i++) {
      const at = rng.integer(sample.length);
      texts.push(sample.slice(0, at) + marks[rng.integer(marks.length)] + sample.slice(at + rng.integer(3)));
    }
    for (const text of [sample, ...texts]) expect([text, faultOf(text) === undefined]).toEqual([text, isJson(text)]);
  });

  it("finds the same however the text is cut", () => {
    for (const text of [sample, sample.slice(0, 40), sample.replace("null", "NaN"), sample.replace("true", "True")])
      for (const size of [1, 2, 3, 7]) expect(faultOf(text, size)).toBe(faultOf(text));
  });

  it.each([
    ['{"a": NaN}', "got NaN, which JSON does not have, at line 1, column 7 (a); write null or a number"],
    ["[1,\n -Infinity]", "got -Infinity, which JSON does not have, at line 2, column 2 (1); write null or a number"],
    [
      "{'a': 1}",
      "got ' where a key in quotes or } belongs, at line 1, column 2; write texts and keys in double quotes",
    ],
    ["[1, 2", "got text that ends early, at line 1, column 6 (1); copy or write it again, whole"],
    ['{"a": {"b": "x', "got text that ends early, at line 1, column 15 (a.b); copy or write it again, whole"],
    ["[1, 2,]", "got ] where a value belongs, at line 1, column 7 (2)"],
    ['{"a": 1,}', "got } where a key in quotes belongs, at line 1, column 9 (a)"],
    ['{"a" 1}', "got 1 where a colon belongs, at line 1, column 6 (a)"],
    ["[1 2]", "got 2 where a comma or the end belongs, at line 1, column 4 (0)"],
    ["{} {}", "got { where the end belongs, at line 1, column 4"],
    ['["C:\\data"]', 'got \\d, which is not an escape of JSON, at line 1, column 6 (0); write "\\\\" for a backslash'],
    ['["a\tb"]', 'got "\\t" inside a text, at line 1, column 4 (0); write it as an escape'],
    ["", "got text that ends early, at line 1, column 1; copy or write it again, whole"],
  ])("says what and where: %s", (text, message) => expect(faultOf(text)).toBe(message));
});

describe("a file of a run that is not JSON", () => {
  it.each([
    ['{"step": 8', "got text that ends early, at line 1, column 11 (step); copy or write it again, whole"],
    ["version https://git-lfs.github.com/spec/v1\noid sha256:aa\n", "got a Git-LFS pointer; run git lfs pull"],
  ])("is refused with the place of the fault, or its kind: %s", async (text, fault) => {
    const folder = await mkdtemp(join(tmpdir(), "rise-json-"));
    const path = join(folder, "config.json");
    await writeFile(path, text);
    const message = `${path}: expected readable JSON of an earlier run, ${fault}`;
    await expect(readRunJson(path)).rejects.toThrow(new CheckpointError(message));
    await rm(folder, { recursive: true });
  });

  it("has rows whose faults are told in our words", () => {
    expect(() => parseRow('{"step": "8"}', z.object({ step: z.int() }), "metrics.jsonl:3")).toThrow(
      new CheckpointError("metrics.jsonl:3: step: expected a number"),
    );
  });
});

describe("a settings file that is not JSON", () => {
  it.each([
    [
      '{"hidden_size": NaN}',
      "got NaN, which JSON does not have, at line 1, column 17 (hidden_size); write null or a number",
    ],
    ['{\n "r": 8,\n', "got text that ends early, at line 3, column 1 (r); copy or write it again, whole"],
    [
      "{'r': 8}",
      "got ' where a key in quotes or } belongs, at line 1, column 2; write texts and keys in double quotes",
    ],
  ])("is refused with the place of the fault: %s", async (text, fault) => {
    const folder = await mkdtemp(join(tmpdir(), "rise-json-"));
    const path = join(folder, "config.json");
    await writeFile(path, text);
    await expect(readJson(path)).rejects.toThrow(new DataError(`${path}: expected JSON, ${fault}`));
    await rm(folder, { recursive: true });
  });

  it.each<[string, Buffer, string]>([
    ["text in Latin-1", Buffer.from('{"a": "\xe4"}', "latin1"), "bytes that are not UTF-8; save it as UTF-8"],
    ["text in UTF-16", Buffer.from('\ufeff{"a": 1}', "utf16le"), "text in UTF-16; save it as UTF-8"],
    ["an archive", Buffer.from("\x1f\x8b\x08\0", "latin1"), "a gzip archive; unpack it first"],
  ])("is refused with its kind: %s", async (_, bytes, kind) => {
    const folder = await mkdtemp(join(tmpdir(), "rise-json-"));
    const path = join(folder, "config.json");
    await writeFile(path, bytes);
    await expect(readJson(path)).rejects.toThrow(new DataError(`${path}: expected a JSON file, got ${kind}`));
    await expect(readRunJson(path)).rejects.toThrow(
      `expected readable JSON of an earlier run, got ${kind.split(";")[0]}`,
    );
    await rm(folder, { recursive: true });
  });
});
