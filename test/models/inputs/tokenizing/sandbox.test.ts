import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { checkpointDir } from "../../reference";

const pauses = fileURLToPath(new URL("pauses.ts", import.meta.url));

describe("a tokenizer's process", () => {
  // Windows has no signal that stops a process.
  it.skipIf(process.platform === "win32")("answers each request with its own reply after the caller was paused", () => {
    const printed = execFileSync(process.execPath, ["--import", "tsx", pauses, join(checkpointDir, "tokenizer.json")]);
    expect(JSON.parse(String(printed))).toEqual([]);
  });
});
