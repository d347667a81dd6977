import { mkdir, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Omission } from "../../src/dataset";
import { imageFolderDataset } from "../../src/datasets/image-folder";
import { ConfigError, DataError } from "../../src/errors";
import { classification } from "../../src/tasks/classification";
import { temporaryFolder, writeFiles } from "./temporary";

let outside: string;
let folder: string;
beforeEach(async () => {
  outside = await temporaryFolder();
  folder = join(outside, "pictures");
  await writeFiles(outside, {
    ...{ "pictures/dog/2.JPEG": "", "pictures/dog/1.png": "", "pictures/cat/1.webp": "", "secret/1.jpg": "" },
  });
});
afterEach(() => rm(outside, { recursive: true }));

describe("a folder of pictures for each class", () => {
  it("gives one-hot annotations, in the order of the names", async () => {
    const examples = await imageFolderDataset(folder);
    expect(examples).toEqual([
      {
        id: "cat/1.webp",
        image: join(folder, "cat", "1.webp"),
        annotation: { cat: 1, dog: 0 },
        metadata: { category: "cat" },
      },
      {
        id: "dog/1.png",
        image: join(folder, "dog", "1.png"),
        annotation: { cat: 0, dog: 1 },
        metadata: { category: "dog" },
      },
      expect.objectContaining({ id: "dog/2.JPEG" }),
    ]);
    for (const { id, annotation } of examples) classification({ labels: ["cat", "dog"] }).validate(annotation, id);
  });

  it("reads the classes that are asked for, under the labels that are given", async () => {
    await writeFiles(folder, { "n03/x.jpg": "" });
    const examples = await imageFolderDataset(folder, { classes: { n03: "carton", dog: "a dog" } });
    expect(examples.map(({ annotation }) => annotation)).toEqual([
      { carton: 1, "a dog": 0 },
      ...Array(2).fill({ carton: 0, "a dog": 1 }),
    ]);
  });

  it("takes folders in any script, with numbers or __proto__ for names", async () => {
    for (const name of ["10", "9", "Hündin".normalize("NFD"), "犬", "__proto__"])
      await writeFiles(folder, { [`${name}/1.jpg`]: "" });
    const labels = (await imageFolderDataset(folder)).map(({ metadata }) => metadata!.category);
    expect(labels).toEqual(["10", "9", "Hündin", "__proto__", "cat", "dog", "dog", "犬"]);
  });

  it("leaves out what is no picture, and says so", async () => {
    await writeFiles(folder, { "dog/faces.db": "", "dog/old/1.jpg": "", "notes.txt": "" });
    const omissions: Omission[] = [];
    const examples = await imageFolderDataset(folder, { onOmission: (omission) => omissions.push(omission) });
    expect(examples).toHaveLength(3);
    expect(omissions).toEqual([
      { where: join(folder, "notes.txt"), reason: "a file beside the class folders" },
      {
        where: join(folder, "dog", "faces.db"),
        reason: "expected an image (JPEG, PNG, GIF, WebP, TIFF or AVIF), got a file that is named .db",
      },
      {
        where: join(folder, "dog", "old"),
        reason:
          "expected an image (JPEG, PNG, GIF, WebP, TIFF or AVIF), got a folder; read the folder above it if this is a class",
      },
    ]);
  });

  it("takes nothing hidden for a picture or a class: what macOS and notebooks leave behind", async () => {
    await writeFiles(folder, { "dog/.1.png": "", "dog/._1.png": "", ".ipynb_checkpoints/1.jpg": "", ".DS_Store": "" });
    const omissions: Omission[] = [];
    const examples = await imageFolderDataset(folder, { onOmission: (omission) => omissions.push(omission) });
    expect(examples.map(({ id }) => id)).toEqual(["cat/1.webp", "dog/1.png", "dog/2.JPEG"]);
    expect(omissions).toEqual([
      { where: join(folder, ".ipynb_checkpoints"), reason: "hidden beside the class folders" },
      {
        where: join(folder, "dog", ".1.png"),
        reason: "expected an image (JPEG, PNG, GIF, WebP, TIFF or AVIF), got a hidden file",
      },
    ]);
  });

  it("is refused rather than thinned out when nobody asked to be told", async () => {
    await writeFiles(folder, { "dog/faces.db": "" });
    await expect(imageFolderDataset(folder)).rejects.toThrow(
      /faces\.db: expected an image \(.*\), got a file that is named \.db; pass onOmission/,
    );
  });

  it("follows links inside the folder, and none out of it", async () => {
    await symlink(join(folder, "dog", "1.png"), join(folder, "cat", "2.png"));
    expect(await imageFolderDataset(folder)).toHaveLength(4);
    await symlink(join(outside, "secret"), join(folder, "fox"));
    await expect(imageFolderDataset(folder)).rejects.toThrow(
      /expected an image inside .*pictures, got .*fox.1\.jpg, a link to .*secret/,
    );
  });

  it("may be a link itself", async () => {
    await symlink(folder, join(outside, "link"));
    expect(await imageFolderDataset(join(outside, "link"))).toHaveLength(3);
  });

  it("refuses a class without pictures, fewer than two classes, labels that are alike, and no folder", async () => {
    await expect(imageFolderDataset(folder, { classes: { cat: "x", fox: "y" } })).rejects.toThrow(
      /fox: expected a readable folder/,
    );
    await expect(imageFolderDataset(folder, { classes: { cat: "x", dog: "x" } })).rejects.toThrow(ConfigError);
    await expect(imageFolderDataset(folder, { classes: { cat: "x", "../secret": "y" } })).rejects.toThrow(
      /expected an image path inside/,
    );
    await expect(imageFolderDataset(join(outside, "secret"), { onOmission: () => {} })).rejects.toThrow(
      /expected a folder for each class, got images without one, 1 in all;/,
    );
    await expect(imageFolderDataset(join(outside, "none"))).rejects.toThrow(DataError);
    expect(() => imageFolderDataset(undefined as never)).toThrow(
      /imageFolderDataset: expected dir to be text, got nothing/,
    );
    await mkdir(join(folder, "empty"));
    await expect(imageFolderDataset(folder)).rejects.toThrow(/empty: expected images of empty, got none/);
  });
});
