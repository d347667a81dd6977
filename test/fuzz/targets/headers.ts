import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { readSafetensors, writeSafetensors } from "../../../src/models/files/safetensors";
import type { Rng } from "../../../src/rng";
import { mutated, mutatedJson } from "../mutate";
import type { Target } from "../target";

/** The file with another header, whose length fits in most cases. */
function withHeader(rng: Rng, file: Uint8Array): Uint8Array {
  const size = Number(Buffer.from(file).readBigUInt64LE());
  const header = mutatedJson(rng, [file.subarray(8, 8 + size)]);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(rng.integer(20) === 0 ? rng.integer(2 ** 31) : header.length));
  return Buffer.concat([length, header, file.subarray(8 + size)]);
}

export const headersTarget: Target = {
  name: "headers",
  share: 150_000,
  inTest: 400,
  async open(folder) {
    const path = join(folder, "model.safetensors");
    const shapes = { bias: [5], weight: [2, 3], constructor: [1, 1, 1], empty: [0, 4] };
    const tensors = Object.entries(shapes).map(([name, shape]) => {
      const data = new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(0.5);
      return [name, { shape, data }] as const;
    });
    const seeds: Uint8Array[] = [];
    for (const dtype of ["F32", "BF16", "F16"] as const) {
      await writeSafetensors(path, new Map(tensors), dtype);
      seeds.push(await readFile(path));
    }
    return {
      make: (rng) => ({
        file: "model.safetensors",
        bytes: rng.integer(3) === 0 ? mutated(rng, seeds) : withHeader(rng, seeds[rng.integer(seeds.length)]!),
      }),
      async read({ bytes }) {
        await writeFile(path, bytes);
        return readSafetensors(path);
      },
      problem(read: Awaited<ReturnType<typeof readSafetensors>>) {
        const wrong = [...read].find(([, { shape, data }]) => shape.reduce((a, b) => a * b, 1) !== data.length);
        return wrong && `${wrong[0]} has ${wrong[1].data.length} numbers for [${wrong[1].shape}]`;
      },
    };
  },
};
