import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { clientFile, clientModule } from "./client";

describe("the script of a page", () => {
  it("is what its sources say: `npx tsx test/report/client.ts` makes it again", async () => {
    expect(await readFile(clientFile, "utf8")).toBe(await clientModule());
  });
});
