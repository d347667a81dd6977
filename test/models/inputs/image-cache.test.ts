import { describe, expect, it } from "vitest";
import { openModel } from "../../../src/models/open-model";
import type { RawImage } from "../../../src/types";

const dot = (shade: number): RawImage => ({ width: 8, height: 8, data: new Uint8Array(8 * 8 * 3).fill(shade) });

describe("images of prompts", () => {
  it("are decoded once, and forgotten after some hundred others, though the caller holds them in memory", async () => {
    const { encodePrompt } = await openModel("examples/tiny-vlm/checkpoint");
    const sources = Array.from({ length: 257 }, (_, i) => dot(i % 256));
    const decoded = async (image: RawImage) =>
      (await encodePrompt([{ role: "user", content: [{ type: "image", image }] }])).images[0];
    const first = await decoded(sources[0]!);
    expect(await decoded(sources[0]!)).toBe(first);
    for (const source of sources) await decoded(source);
    expect(await decoded(sources[256]!)).toBe(await decoded(sources[256]!));
    expect(await decoded(sources[0]!)).not.toBe(first);
  });
});
