import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it, vi } from "vitest";
import { loadConfig } from "../../../../src/models/families/qwen2-vl/config";
import { qwen2VlArchitecture } from "../../../../src/models/families/qwen2-vl/family";
import { loadTokenizer } from "../../../../src/models/inputs/tokenizer";
import { checkpointDir } from "../../reference";

const pauses = fileURLToPath(new URL("pauses.ts", import.meta.url));

describe("a tokenizer's process", () => {
  // Windows has no signal that stops a process.
  it.skipIf(process.platform === "win32")("answers each request with its own reply after the caller was paused", () => {
    const printed = execFileSync(process.execPath, ["--import", "tsx", pauses, join(checkpointDir, "tokenizer.json")]);
    expect(JSON.parse(String(printed))).toEqual([]);
  });

  it("answers each request though the thread wakes the caller for the reply before", async () => {
    const config = await loadConfig(checkpointDir);
    const tokenizer = await loadTokenizer(checkpointDir, qwen2VlArchitecture(config));
    const texts = Array.from({ length: 30 }, (_, i) => `the ${i} red mugs`);
    const expected = texts.map((text) => tokenizer.encode(text));
    const { wait } = Atomics;
    let woken = 0;
    const early = vi.spyOn(Atomics, "wait").mockImplementation((...args: Parameters<typeof wait>) => {
      return woken++ % 2 === 0 ? "ok" : Reflect.apply(wait, Atomics, args);
    });
    const encoded = texts.map((text) => tokenizer.encode(text));
    early.mockRestore();
    expect(encoded).toEqual(expected);
    expect(woken).toBeGreaterThan(0);
  });
});
