import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { openModel } from "../../../src/models/open-model";
import type { ImageSource, RawImage } from "../../../src/types";

/** A grey square, the 257th and later with a pixel of its own. */
function dot(i: number): RawImage {
  const data = new Uint8Array(8 * 8 * 3).fill(i % 256);
  data[0] = i % 255;
  return { width: 8, height: 8, data };
}

describe("images of prompts", () => {
  it("are decoded once, and forgotten after some hundred others, though the caller holds them in memory", async () => {
    const { encodePrompt } = await openModel("examples/tiny-vlm/checkpoint");
    const sources = Array.from({ length: 257 }, (_, i) => dot(i));
    const decoded = async (image: RawImage) =>
      (await encodePrompt([{ role: "user", content: [{ type: "image", image }] }])).images[0];
    const first = await decoded(sources[0]!);
    expect(await decoded(sources[0]!)).toBe(first);
    for (const source of sources) await decoded(source);
    expect(await decoded(sources[256]!)).toBe(await decoded(sources[256]!));
    expect(await decoded(sources[0]!)).not.toBe(first);
  });

  it("are known by their content: the next image may be written into the same array", async () => {
    const { encodePrompt } = await openModel("examples/tiny-vlm/checkpoint");
    const decoded = async (image: ImageSource) =>
      (await encodePrompt([{ role: "user", content: [{ type: "image", image }] }])).images[0]!;
    const [frame, other] = [dot(10), dot(200)];
    const first = await decoded(frame);
    frame.data.set(other.data);
    expect((await decoded(frame)).pixelValues).toEqual((await decoded(other)).pixelValues);
    expect(await decoded({ ...frame, data: dot(10).data })).toBe(first);

    const png = (image: RawImage) =>
      sharp(image.data, { raw: { ...image, channels: 3 } })
        .png({ compressionLevel: 0 })
        .toBuffer();
    const [file, otherFile] = [await png(dot(10)), await png(dot(200))];
    expect(file.length).toBe(otherFile.length);
    await decoded(file);
    file.set(otherFile);
    expect((await decoded(file)).pixelValues).toEqual((await decoded(other)).pixelValues);
  });
});
