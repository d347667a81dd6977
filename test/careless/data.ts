import { symlink } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { cocoDataset } from "../../src/datasets/coco";
import { csvDataset } from "../../src/datasets/csv";
import { imageFolderDataset } from "../../src/datasets/image-folder";
import { jsonlDataset } from "../../src/datasets/jsonl";
import { jpeg, writeFiles } from "../datasets/temporary";
import { type Careless, labels, task } from "./case";

const image = await jpeg(40, 20);

/** Reads `labels.csv` with this text, beside `photos/a.jpg`. */
function table(text: string | Uint8Array, options: object = {}, asked: unknown = labels) {
  return async (folder: string) => {
    await writeFiles(folder, { "photos/a.jpg": image, "elsewhere/b.jpg": image, "labels.csv": text });
    await symlink(join(folder, "elsewhere/b.jpg"), join(folder, "photos/link.jpg"));
    await csvDataset(join(folder, "labels.csv"), asked as string[], { root: join(folder, "photos"), ...options });
  };
}

const row = (cells: string) => `image,joy,sadness\n${cells}\n`;

const tables: readonly Careless[] = [
  { input: "an absolute path inside the folder", works: true, call: inside((path) => path) },
  { input: "a file URL", works: true, call: inside((path) => pathToFileURL(path).href) },
  { input: "backslashes of Windows", works: true, call: table(row(".\\a.jpg,1,0")) },
  { input: "a byte order mark and CRLF", works: true, call: table("\ufeffimage,joy,sadness\r\na.jpg,1,0\r\n") },
  { input: "an image in another folder", call: table(row("../elsewhere/b.jpg,1,0")) },
  { input: "an image behind a link", call: table(row("link.jpg,1,0")) },
  { input: "a path of another machine", call: table(row("C:\\photos\\a.jpg,1,0")) },
  { input: "an address", call: table(row("https://example.org/a.jpg,1,0")) },
  { input: "an image that is missing", call: table(row("b.jpg,1,0")) },
  { input: "an image twice", call: table(row("a.jpg,1,0\na.jpg,0,1")) },
  { input: "a wrong path", call: (folder) => missing(folder, "label.csv", "labels.csv") },
  { input: "semicolons", call: table("image;joy;sadness\na.jpg;1;0\n") },
  { input: "tabs", call: table("image\tjoy\tsadness\na.jpg\t1\t0\n") },
  { input: "numbers from 0 to 100", call: table(row("a.jpg,80,20")) },
  { input: "votes", call: table(row("a.jpg,3,1")) },
  { input: "percents", call: table(row("a.jpg,80%,20%")) },
  { input: "a decimal comma", call: table(row('a.jpg,"0,8","0,2"')) },
  { input: "shares that sum to 2", call: table(row("a.jpg,1,1")) },
  { input: "an empty cell", call: table(row("a.jpg,1,")) },
  { input: "UTF-16", call: table(Buffer.from(row("a.jpg,1,0"), "utf16le")) },
  { input: "one column of class names", call: table("image,label\na.jpg,joy\n") },
  { input: "a label column that is misspelt", call: table(row("a.jpg,1,0"), {}, ["joy", "sadnes"]) },
  { input: "no heading", call: table("a.jpg,1,0\n") },
  { input: "a heading only", call: table("image,joy,sadness\n") },
  { input: "labels as one text", call: table(row("a.jpg,1,0"), {}, "joy") },
  { input: "a Git-LFS pointer", call: table("version https://git-lfs.github.com/spec/v1\noid sha256:0\n") },
];

function inside(write: (path: string) => string) {
  return (folder: string) => table(row(`${write(join(folder, "photos/a.jpg"))},1,0`))(folder);
}

async function missing(folder: string, there: string, asked: string): Promise<void> {
  await writeFiles(folder, { [there]: "" });
  await csvDataset(join(folder, asked), labels);
}

function lines(text: string) {
  return async (folder: string) => {
    await writeFiles(folder, { "a.jpg": image, "rows.jsonl": text });
    await jsonlDataset(join(folder, "rows.jsonl"), task);
  };
}

const good = '{"id":"1","image":"a.jpg","annotation":{"joy":1,"sadness":0}}';

const rows: readonly Careless[] = [
  { input: "an annotation as text", call: lines('{"id":"1","image":"a.jpg","annotation":"joy"}\n') },
  { input: "an array", call: lines(`[${good}]\n`) },
  { input: "no id", call: lines(good.replace('"id":"1",', "")) },
  { input: "a trailing comma", call: lines(`${good.slice(0, -1)},}\n`) },
  { input: "`label` for `annotation`", call: lines(good.replace("annotation", "label")) },
  { input: "an unknown label", call: lines(good.replace("sadness", "sorrow")) },
  { input: "a number as id", works: true, call: lines(good.replace('"1"', "7")) },
  { input: "no task", call: async (folder) => jsonlDataset(join(folder, "rows.jsonl"), undefined as never) },
];

const coco = {
  images: [{ id: 1, file_name: "a.jpg", width: 40, height: 20 }],
  categories: [{ id: 1, name: "mug" }],
  annotations: [{ id: 1, image_id: 1, category_id: 1, bbox: [1, 1, 10, 10], iscrowd: 0, area: 100 }],
};

function instances(change: (file: typeof coco) => object | string, imageDir = ".") {
  return async (folder: string) => {
    await writeFiles(folder, { "a.jpg": image, "coco.json": change(structuredClone(coco)) });
    await cocoDataset(join(folder, "coco.json"), join(folder, imageDir));
  };
}

const annotated = (changed: object) =>
  instances((file) => ({ ...file, annotations: [{ ...file.annotations[0], ...changed }] }));

const cocos: readonly Careless[] = [
  { input: "captions", call: instances((file) => ({ ...file, annotations: [{ id: 1, image_id: 1, caption: "a" }] })) },
  { input: "a broken file", call: instances(() => '{"images": [,]}') },
  { input: "corners for a box", call: annotated({ bbox: [20, 5, 39, 18] }) },
  { input: "a crowd", call: annotated({ iscrowd: 1 }) },
  { input: "an unknown category", call: annotated({ category_id: 7 }) },
  { input: "a wrong image folder", call: instances((file) => file, "images") },
];

function folderOf(files: Readonly<Record<string, string | Uint8Array>>) {
  return async (folder: string) => {
    await writeFiles(folder, files);
    await imageFolderDataset(folder);
  };
}

const folders: readonly Careless[] = [
  {
    input: "what macOS and Windows leave there",
    works: true,
    call: folderOf({ ".DS_Store": "", "joy/Thumbs.db": "", "joy/1.jpg": image, "sadness/1.jpg": image }),
  },
  { input: "images without classes", call: folderOf({ "1.jpg": image, "2.jpg": image }) },
  { input: "a HEIC", call: folderOf({ "joy/1.heic": image, "sadness/1.jpg": image }) },
  { input: "a folder that is empty", call: folderOf({}) },
];

export const data = { "CSV files": tables, "JSON lines": rows, "COCO files": cocos, "image folders": folders };
