import { cp, mkdtemp, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { modelDigest } from "../../../src/engine/checkpoint/model-digest";
import { roundedFor } from "../../../src/engine/checkpoint/quantized";
import { readHeader, readSafetensors, writeSafetensors } from "../../../src/models/files/safetensors";
import { openModel } from "../../../src/models/open-model";
import { checkpointDir } from "../../models/reference";

const scratch = await mkdtemp(join(tmpdir(), "rise-digest-"));
const cacheBefore = process.env.HF_ASSETS_CACHE;
process.env.HF_ASSETS_CACHE = join(scratch, "assets");
afterAll(async () => {
  await rm(scratch, { recursive: true });
  if (cacheBefore === undefined) delete process.env.HF_ASSETS_CACHE;
  else process.env.HF_ASSETS_CACHE = cacheBefore;
});

async function digestOf(dir: string): Promise<string> {
  const model = await openModel(dir);
  return modelDigest(model, model);
}
/** The reference checkpoint, changed. */
async function changed(name: string, change: (dir: string) => Promise<void>): Promise<string> {
  const dir = join(scratch, name);
  await cp(checkpointDir, dir, { recursive: true, dereference: true });
  await change(dir);
  return digestOf(dir);
}
const edit = async (file: string, alter: (bytes: Buffer) => void) => {
  const bytes = await readFile(file);
  alter(bytes);
  await writeFile(file, bytes);
};
const plain = await digestOf(checkpointDir);

describe("the digest of a model", () => {
  it("is the same for a copy, a link, a relative path, and the same weights in several files", async () => {
    expect(plain).toMatch(/^[0-9a-f]{64}$/);
    expect(await changed("copy", async () => {})).toBe(plain);
    await symlink(checkpointDir, join(scratch, "link"));
    expect(await digestOf(join(scratch, "link"))).toBe(plain);
    expect(await digestOf(relative(process.cwd(), join(scratch, "copy")))).toBe(plain);
    const sharded = await changed("sharded", async (dir) => {
      const whole = join(dir, "model.safetensors");
      const dtypes = new Set([...(await readHeader(whole)).values()].map(({ dtype }) => dtype));
      expect([...dtypes]).toEqual(["F32"]);
      const weights = [...(await readSafetensors(whole))];
      await rm(whole);
      const weight_map: Record<string, string> = {};
      for (const part of [0, 1]) {
        const file = `model-0000${part + 1}-of-00002.safetensors`;
        const some = weights.filter((_, i) => i % 2 === part);
        for (const [name] of some) weight_map[name] = file;
        await writeSafetensors(join(dir, file), new Map(some));
      }
      await writeFile(join(dir, "model.safetensors.index.json"), JSON.stringify({ weight_map }));
    });
    expect(sharded).toBe(plain);
  });

  it.each([
    [
      "one bit of one weight",
      (dir: string) => edit(join(dir, "model.safetensors"), (bytes) => void (bytes[bytes.length >> 1]! ^= 1)),
    ],
    [
      "a matrix of zeros",
      async (dir: string) => {
        const file = join(dir, "model.safetensors");
        const { offset, bytes } = (await readHeader(file)).get("model.layers.0.mlp.up_proj.weight")!;
        await edit(file, (all) => void all.fill(0, offset, offset + bytes));
      },
    ],
    [
      "two weights that changed places",
      async (dir: string) => {
        const file = join(dir, "model.safetensors");
        const weights = await readSafetensors(file);
        const [a, b] = ["gate_proj", "up_proj"].map((name) => `model.layers.0.mlp.${name}.weight`);
        const swapped = new Map([...weights, [a!, weights.get(b!)!], [b!, weights.get(a!)!]]);
        await writeSafetensors(file, swapped);
      },
    ],
    [
      "another picture processor",
      (dir: string) =>
        edit(join(dir, "preprocessor_config.json"), (bytes) => {
          bytes.write(bytes.toString("latin1").replace(/("image_mean":\s*\[\s*0\.)\d/, "$19"), "latin1");
        }),
    ],
    ["another template", (dir: string) => writeFile(join(dir, "chat_template.json"), '{"chat_template":""}')],
    ["no generation settings", (dir: string) => rename(join(dir, "generation_config.json"), join(dir, "other"))],
  ])("is another with %s", async (name, change) => {
    expect(await changed(name, change)).not.toBe(plain);
  });

  it("is another in another precision", async () => {
    const model = await openModel(checkpointDir);
    const half = await modelDigest(model, { ...model, halfProducts: true });
    const int8 = await modelDigest(model, { checkpoint: (await roundedFor(model, "int8"))! });
    expect(new Set([plain, half, int8]).size).toBe(3);
  });
});
