import { mkdir, symlink } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, it } from "vitest";
import { csvDataset } from "../../src/datasets/csv";
import { imageFolderDataset } from "../../src/datasets/image-folder";
import { jsonlDataset } from "../../src/datasets/jsonl";
import { DataError } from "../../src/errors";
import { classification } from "../../src/tasks/classification";
import { jpeg, temporaryFolder, writeFiles } from "./temporary";

const labels = ["joy", "sadness"];
const task = classification({ labels });
const image = await jpeg(4, 4);

/** A folder with images in `photos`, some more outside of it, and these tables in `tables`. */
async function folderWith(tables: Readonly<Record<string, string | Uint8Array>>): Promise<string> {
  const folder = await temporaryFolder();
  await writeFiles(folder, { "photos/a.jpg": image, "elsewhere/b.jpg": image });
  const named = Object.entries(tables).map(([name, text]) => [`tables/${name}`, text] as const);
  await writeFiles(folder, Object.fromEntries(named));
  await symlink(join(folder, "elsewhere", "b.jpg"), join(folder, "photos", "link.jpg"));
  return folder;
}

/** The end of a row in each format. */
const csv = (image: string) => `image,joy,sadness\n${image},1,0\n`;
const json = (image: string) => `${JSON.stringify({ id: "1", image, annotation: { joy: 1, sadness: 0 } })}\n`;

describe("images in another folder than their table", () => {
  const read = async (image: (folder: string) => string, options: object) => {
    const folder = await folderWith({});
    await writeFiles(folder, { "tables/t.csv": csv(image(folder)), "tables/t.jsonl": json(image(folder)) });
    const given = { root: join(folder, "photos"), ...options };
    const rows = [
      ...(await csvDataset(join(folder, "tables/t.csv"), labels, given)),
      ...(await jsonlDataset(join(folder, "tables/t.jsonl"), task, given)),
    ];
    return rows.map((row) => String(row.image).slice(folder.length + 1));
  };

  it.each<[string, (folder: string) => string, object, string]>([
    ["by its name from root", () => "a.jpg", {}, "photos/a.jpg"],
    ["by an absolute path inside root", (folder) => join(folder, "photos/a.jpg"), {}, "photos/a.jpg"],
    ["by a file URL", (folder) => pathToFileURL(join(folder, "photos/a.jpg")).href, {}, "photos/a.jpg"],
    ["with Windows' backslashes", () => ".\\a.jpg", {}, "photos/a.jpg"],
    ["by .. when that is allowed", () => "../elsewhere/b.jpg", { allowOutside: true }, "elsewhere/b.jpg"],
    [
      "by an absolute path outside when that is allowed",
      (folder) => join(folder, "elsewhere/b.jpg"),
      { allowOutside: true },
      "elsewhere/b.jpg",
    ],
    ["by a link that leads out when that is allowed", () => "link.jpg", { allowOutside: true }, "photos/link.jpg"],
  ])("are found %s", async (_, image, options, expected) => {
    expect(await read(image, options)).toEqual([expected, expected]);
  });

  it.each<[string, (folder: string) => string, RegExp]>([
    ["..", () => "../elsewhere/b.jpg", /got "\.\.\/elsewhere\/b\.jpg"; pass root for .*, or allowOutside: true$/],
    [
      "an absolute path outside",
      (folder) => join(folder, "elsewhere/b.jpg"),
      /expected an image path inside .*photos, got/,
    ],
    [
      "a link that leads out",
      () => "link.jpg",
      /got .*link\.jpg, a link to .*elsewhere\/b\.jpg; pass root .*allowOutside/,
    ],
    ["a path of Windows", () => "C:\\photos\\a.jpg", /got "C:\\\\photos\\\\a\.jpg"; a\.jpg is there: write "a\.jpg"/],
    ["an address", () => "https://example.org/a.jpg", /got the address "https:.*"; download it first/],
    ["a URL of no file", () => "file://host/a.jpg", /expected the URL of a file, got "file:\/\/host\/a\.jpg"/],
    ["~", () => "~/none.jpg", new RegExp(`only shells read ~: write ${homedir()}`)],
  ])("are refused for %s, with the way out", async (_, image, message) => {
    await expect(read(image, {})).rejects.toThrow(message);
    await expect(read(image, {})).rejects.toThrow(DataError);
  });
});

describe("a table", () => {
  const rows = (text: string) => ({ "labels.csv": `image,joy,sadness\n${text}\n` });
  it.each<[string, Readonly<Record<string, string | Uint8Array>>, RegExp]>([
    [
      "is separated by ;",
      { "labels.csv": "image;joy;sadness\na.jpg;1;0\n" },
      /got image;joy;sadness; pass delimiter: ";"$/,
    ],
    ["is separated by tabs", { "labels.csv": "image\tjoy\tsadness\na.jpg\t1\t0\n" }, /pass delimiter: "\\t"$/],
    [
      "has one column of class names",
      { "labels.csv": "image,label\na.jpg,joy\n" },
      /got image, label; pass label: "label"$/,
    ],
    [
      "has percents",
      rows("a.jpg,80,20"),
      /from 0 to 1, got "80"; pass normalize: true for counts of votes, or percents$/,
    ],
    ["has votes", rows("a.jpg,3,1"), /got "3"; pass normalize: true/],
    ["has shares that sum to more", rows("a.jpg,0.9,0.9"), /sum to 1, got a sum of 1\.8; pass normalize: true/],
    ["has an empty cell", rows("a.jpg,1,"), /sadness: expected .* got ""; write 0 where a label has no share$/],
    [
      "is UTF-16",
      { "labels.csv": Buffer.from("image,joy,sadness\n", "utf16le") },
      /got text in UTF-16; save it as UTF-8/,
    ],
    [
      "is a Git-LFS pointer",
      { "labels.csv": "version https://git-lfs.github.com/spec/v1\noid sha256:0\n" },
      /Git-LFS pointer; run git lfs pull/,
    ],
    [
      "has another name",
      { "label.csv": "" },
      /labels\.csv: expected a readable file, got nothing at .*; did you mean .*label\.csv\?$/,
    ],
    ["is nowhere near", {}, /labels\.csv: expected a readable file, got nothing at .*labels\.csv$/],
    ["is a folder", { "labels.csv/x": "" }, /labels\.csv: expected a readable file, got a folder$/],
  ])("says what to do when it %s", async (_, tables, message) => {
    const folder = await folderWith(tables);
    const reading = csvDataset(join(folder, "tables/labels.csv"), labels, { root: join(folder, "photos") });
    await expect(reading).rejects.toThrow(message);
    await expect(reading).rejects.toThrow(DataError);
  });

  it("is read as votes and percents when it says so", async () => {
    const folder = await folderWith(rows("a.jpg,60,20"));
    const options = { root: join(folder, "photos"), normalize: true };
    const [row] = await csvDataset(join(folder, "tables/labels.csv"), labels, options);
    expect(row!.annotation).toEqual({ joy: 0.75, sadness: 0.25 });
  });
});

describe("JSON lines", () => {
  it.each<[string, string, RegExp]>([
    ["are an array", `[${json("a.jpg").trim()}]`, /expected one object a line; this is an array: write each/],
    [
      "have a label as text",
      '{"id":"1","image":"a.jpg","annotation":"joy"}',
      /got "joy"; write \{"joy": 1, "sadness": 0\}, or oneHot/,
    ],
    [
      "have no id",
      '{"image":"a.jpg","annotation":{"joy":1,"sadness":0}}',
      /id: expected an id of its own .*; the fields there are image, annotation/,
    ],
  ])("say what to do when they %s", async (_, text, message) => {
    const folder = await folderWith({ "t.jsonl": `${text}\n` });
    const reading = jsonlDataset(join(folder, "tables/t.jsonl"), task, { root: join(folder, "photos") });
    await expect(reading).rejects.toThrow(message);
  });

  it("refuse an option that they do not have", async () => {
    expect(() => jsonlDataset("t.jsonl", task, { rot: "x" } as never)).toThrow('did you mean "root"?');
  });
});

describe("a folder of classes", () => {
  it("ignores what macOS, Windows and a NAS leave there", async () => {
    const folder = await temporaryFolder();
    const clutter = [".DS_Store", "Thumbs.db", "desktop.ini", "joy/.DS_Store", "joy/Thumbs.db", "sadness/._1.jpg"];
    await writeFiles(folder, Object.fromEntries(clutter.map((name) => [name, ""])));
    await writeFiles(folder, {
      "joy/1.jpg": image,
      "sadness/1.jpg": image,
      "__MACOSX/x.jpg": "",
      "joy/@eaDir/y.jpg": "",
      "#recycle/z.jpg": image,
      "$RECYCLE.BIN/z.jpg": image,
      "System Volume Information/x": "",
    });
    expect((await imageFolderDataset(folder)).map(({ id }) => id)).toEqual(["joy/1.jpg", "sadness/1.jpg"]);
  });

  it.each<[string, Readonly<Record<string, string | Uint8Array>>, RegExp]>([
    [
      "images have no classes",
      { "1.jpg": image, "2.jpg": image },
      /expected a folder for each class, got images without one, 2 in all; move/,
    ],
    [
      "an image is a HEIC",
      { "joy/1.heic": image, "sadness/1.jpg": image },
      /got a HEIC image; convert it to PNG or JPEG/,
    ],
  ])("says what to do when %s", async (_, files, message) => {
    const folder = await temporaryFolder();
    await writeFiles(folder, files);
    await expect(imageFolderDataset(folder)).rejects.toThrow(message);
  });

  it("follows links out of it when that is allowed", async () => {
    const folder = await folderWith({});
    for (const label of labels) {
      await mkdir(join(folder, "classes", label), { recursive: true });
      await symlink(join(folder, "photos", "a.jpg"), join(folder, "classes", label, "1.jpg"));
    }
    const classes = join(folder, "classes");
    await expect(imageFolderDataset(classes)).rejects.toThrow(/a link to .*a\.jpg; pass .*allowOutside: true/);
    expect(await imageFolderDataset(classes, { allowOutside: true })).toHaveLength(2);
    await expect(imageFolderDataset(join(folder, "clases"))).rejects.toThrow(
      /got nothing at .*did you mean .*classes\?/,
    );
  });
});
