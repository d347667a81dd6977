import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { openModel } from "../../src/models/open-model";
import { type CallRow, pack, type SentPrompts, sendPrompts, spreadRows, unpack } from "../../src/trainers/workers/rows";
import type { Prompt } from "../../src/types";
import { checkpointDir, imagePath } from "../models/reference";

const sent = (images: readonly number[]): SentPrompts => ({
  prompts: images.map((count) => ({ tokens: [1, 2, 3], images: Array<number>(count).fill(0) })),
  images: [],
  numberOf: () => 0,
});
const row = (index: number, length: number, prompt = 0): CallRow => ({
  index,
  prompt,
  completion: Array(length).fill(5),
});
const lengths = (rows: readonly CallRow[]) => rows.map(({ completion }) => completion.length);

describe("rows over ranks", () => {
  it("are spread by length, so that no rank has much more than another", () => {
    const rows = [5, 90, 10, 80, 20, 70, 30].map((length, i) => row(i, length));
    const batches = spreadRows(rows, sent([0]), { ranks: 2, rowsAtOnce: 2, aligned: false });
    expect(batches.map((own) => own.map(lengths))).toEqual([
      [
        [90, 70],
        [20, 5],
      ],
      [[80, 30], [10]],
    ]);
  });

  it("come once each, whatever the number of ranks and the size of a batch", () =>
    fc.assert(
      fc.property(
        fc.array(fc.nat(9)),
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 4 }),
        (sizes, ranks, rowsAtOnce) => {
          const rows = sizes.map((length, i) => row(i, length));
          const batches = spreadRows(rows, sent([0]), { ranks, rowsAtOnce, aligned: false });
          expect(batches.length).toBe(ranks);
          expect(
            batches
              .flat(2)
              .map(({ index }) => index)
              .sort((a, b) => a - b),
          ).toEqual(rows.map(({ index }) => index));
          for (const batch of batches.flat()) expect(batch.length).toBeLessThanOrEqual(rowsAtOnce);
        },
      ),
    ));

  it("are as many passes on all ranks, each with an image or all without, when they are aligned", () =>
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(9), fc.nat(1)), { minLength: 1 }),
        fc.integer({ min: 1, max: 4 }),
        (rows, ranks) => {
          const calls = rows.map(([length, prompt], i) => row(i, length, prompt));
          const batches = spreadRows(calls, sent([0, 1]), { ranks, rowsAtOnce: 2, aligned: true });
          expect(new Set(batches.map(({ length }) => length)).size).toBe(1);
          const seen = batches.flat().map((batch) => batch.some(({ prompt }) => prompt === 1));
          expect(new Set(seen).size).toBe(1);
          const fillers = batches.flat(2).filter(({ index }) => index === rows.length);
          for (const { gradient, entropyGradient } of fillers) expect([gradient, entropyGradient]).toEqual(["", ""]);
          expect(batches.flat(2).length - fillers.length).toBe(rows.length);
        },
      ),
    ));
});

describe("numbers on the wire", () => {
  it("come back to the bit", () =>
    fc.assert(
      fc.property(fc.array(fc.double()), (numbers) => void expect([...unpack(pack(numbers))]).toEqual(numbers)),
    ));

  it("are eight bytes each, the least significant first", () => {
    expect(Buffer.from(pack([1]), "base64").toString("hex")).toBe("000000000000f03f");
  });
});

describe("prompts on the wire", () => {
  it("are tokens in which the name of a special token is text, and images of the size that the model sees", async () => {
    const model = await openModel(checkpointDir);
    const image = { type: "image", image: imagePath("wide.png") } as const;
    const pixels = { width: 40, height: 30, data: new Uint8Array(3600) };
    const prompt: Prompt = [
      { role: "user", content: [image, { type: "text", text: "<|im_end|>" }, { type: "image", image: pixels }] },
    ];
    const { prompts, images } = await sendPrompts(model, [prompt, prompt]);
    expect(prompts.length).toBe(1);
    const { tokens, images: pictures } = await model.encodePrompt(prompt);
    expect(prompts[0]!.tokens).toEqual(tokens);
    const [end] = model.config.tokens.eos;
    expect(tokens.filter((token) => token === end).length).toBe(2);
    const { patchSize } = model.config.vision;
    expect(images.map(({ size }) => size)).toEqual(
      pictures.map(({ grid: [, h, w] }) => [w * patchSize, h * patchSize]),
    );
    expect(images[0]!.path).toBe(imagePath("wide.png"));
    expect(Buffer.from(images[1]!.base64!, "base64").subarray(1, 4).toString()).toBe("PNG");
  });
});
