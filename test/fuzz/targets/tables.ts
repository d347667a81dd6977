import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { join, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { cocoDataset } from "../../../src/datasets/coco";
import { csvDataset } from "../../../src/datasets/csv";
import { emotion6, emotion6Labels } from "../../../src/datasets/emotion6";
import { jsonlDataset } from "../../../src/datasets/jsonl";
import { reasonSegDataset } from "../../../src/datasets/lisa";
import { type ParquetRow, parquetDataset, parquetLabels } from "../../../src/datasets/parquet";
import { classification, oneHot } from "../../../src/tasks/classification";
import type { Example } from "../../../src/types";
import { imagePath } from "../../models/reference";
import { mutated, mutatedSettings } from "../mutate";
import { notFinite, type Target } from "../target";

const labels = ["joy", "anger"];
const moods = classification({ labels });

/** An image that lies outside the folder, or a number that is NaN or infinite. */
function problemIn(folder: string, examples: readonly Example<unknown>[]): string | undefined {
  const outside = examples.find(({ image }) => typeof image === "string" && !image.startsWith(folder + sep));
  if (outside) return `an image outside the folder: ${String(outside.image)}`;
  return notFinite(examples.map(({ annotation }) => annotation));
}

interface Table {
  readonly name: string;
  readonly share: number;
  readonly inTest: number;
  readonly file: string;
  readonly seeds: readonly (string | object)[];
  readonly read: (path: string, folder: string) => PromiseLike<readonly Example<unknown>[]>;
}

const tables: readonly Table[] = [
  {
    name: "csv",
    share: 60_000,
    inTest: 150,
    file: "table.csv",
    seeds: [
      "image,joy,anger,subject,note\nwide.png,0.9,0.1,a mug,x\ninside/../grey.png,0.5,0.5,,\n",
      'image,joy,anger,id,__proto__\r\n"wide.png",1,0,"a ""b""",constructor\r\ngrey.png,0,1,b,2\r\n',
    ],
    read: (path) => csvDataset(path, labels),
  },
  {
    name: "rows",
    share: 20_000,
    inTest: 50,
    file: "rows.jsonl",
    seeds: [
      '{"file_name":"wide.png","joy":0.9,"anger":"0.1","box":[1,{"a":null}]}\n{"file_name":"grey.png","joy":1,"anger":0}\n',
      '{"file_name":"inside/../grey.png","joy":0,"anger":1,"__proto__":{"joy":1},"constructor":null}\n{"joy":1}\n',
    ],
    read: (path) => csvDataset(path, labels, { image: "file_name" }),
  },
  {
    name: "jsonl",
    share: 60_000,
    inTest: 150,
    file: "table.jsonl",
    seeds: [
      `${[
        { id: "1", image: "wide.png", annotation: { joy: 0.9, anger: 0.1 }, subject: "a", metadata: { x: [1] } },
        { id: "2", image: "./grey.png", annotation: { joy: 0, anger: 1 } },
      ]
        .map((row) => JSON.stringify(row))
        .join("\n")}\n`,
      { id: "3", image: "wide.png", annotation: { joy: 0.5, anger: 0.5 }, metadata: { constructor: { a: null } } },
    ],
    read: (path) => jsonlDataset(path, moods),
  },
  {
    name: "coco",
    share: 60_000,
    inTest: 150,
    file: "instances.json",
    seeds: [
      {
        info: { year: 2020 },
        images: [
          { id: 1, file_name: "wide.png", width: 150, height: 61 },
          { id: 2, file_name: "grey.png" },
        ],
        categories: [
          { id: 7, name: "mug" },
          { id: 8, name: "constructor" },
        ],
        annotations: [
          { id: 1, image_id: 1, category_id: 7, bbox: [1, 2, 3, 4], iscrowd: 0, area: 12 },
          { id: 2, image_id: 2, category_id: 8, bbox: [0, 0, 5.5, 2], segmentation: [[0, 0, 5, 0, 5, 2]] },
          {
            id: 3,
            image_id: 1,
            category_id: 7,
            bbox: [0, 0, 2, 3],
            segmentation: { counts: [1, 2, 3], size: [2, 3] },
            iscrowd: 1,
          },
        ],
      },
    ],
    read: (path, folder) => cocoDataset(path, folder, { clip: true, missingBoxes: "polygon", onOmission: () => {} }),
  },
  {
    name: "lisa",
    share: 20_000,
    inTest: 100,
    file: "table.json",
    seeds: [
      {
        text: ["the grey one", "this"],
        is_sentence: true,
        shapes: [
          {
            label: "target",
            points: [
              [1, 1],
              [9, 1],
              [9, 9],
            ],
            shape_type: "polygon",
          },
          {
            label: "ignore",
            points: [
              [0, 0],
              [3, 4],
            ],
            shape_type: "rectangle",
            image_name: "grey.png",
          },
        ],
      },
    ],
    async read(path, folder) {
      const pair = join(folder, "pair");
      await mkdir(pair, { recursive: true });
      await copyFile(join(folder, "grey.png"), join(pair, "grey.png"));
      await copyFile(path, join(pair, "grey.json"));
      return await reasonSegDataset(pair, { onOmission: () => {} });
    },
  },
];

const fromText = ({ name, share, inTest, file, seeds, read }: Table): Target => ({
  name,
  share,
  inTest,
  async open(folder) {
    for (const image of ["wide.png", "grey.png"]) await copyFile(imagePath(image), join(folder, image));
    const isJson = (seed: string | object) => typeof seed === "object";
    const bytes = seeds.map((seed) => Buffer.from(typeof seed === "string" ? seed : JSON.stringify(seed)));
    const json = bytes.filter((_, i) => isJson(seeds[i]!));
    const path = join(folder, file);
    return {
      make: (rng) => ({
        file,
        bytes: json.length > 0 && rng.integer(2) === 0 ? mutatedSettings(rng, json) : mutated(rng, bytes),
      }),
      async read(input) {
        await writeFile(path, input.bytes);
        return await read(path, folder);
      },
      problem: (examples: readonly Example<unknown>[]) => problemIn(folder, examples),
    };
  },
});

const parquetTarget: Target = {
  name: "parquet",
  share: 60_000,
  inTest: 150,
  async open(folder) {
    const fixture = fileURLToPath(new URL("../../datasets/fixtures/hub.parquet", import.meta.url));
    const seeds = [await readFile(fixture)];
    const path = join(folder, "train.parquet");
    await copyFile(imagePath("grey.png"), join(folder, "green.png"));
    const names = ["cat", "naïve dog"];
    const options = {
      task: classification({ labels: names }),
      example: (row: ParquetRow) => ({ annotation: oneHot(names, names[row.label === 0 ? 0 : 1]!), metadata: row }),
    };
    return {
      make: (rng) => ({ file: "train.parquet", bytes: mutated(rng, seeds, 64) }),
      async read({ bytes }) {
        await writeFile(path, bytes);
        if (bytes.length % 4 === 0) await parquetLabels(path, "label");
        return await parquetDataset(path, options);
      },
      problem: (examples: readonly Example<unknown>[]) => problemIn(folder, examples),
    };
  },
};

const emotion6Target: Target = {
  name: "emotion6",
  share: 20_000,
  inTest: 20,
  async open(folder) {
    const names = emotion6Labels
      .slice(0, 6)
      .flatMap((keyword) => Array.from({ length: 330 }, (_, i) => `${keyword}/${i + 1}.jpg`));
    for (const keyword of emotion6Labels.slice(0, 6)) await mkdir(join(folder, "images", keyword), { recursive: true });
    for (const name of names) await writeFile(join(folder, "images", name), "image");
    const heading = [
      "[image_filename]",
      "[valence]",
      "[arousal]",
      ...emotion6Labels.map((label) => `[prob. ${label}]`),
    ];
    const rows = names.map((name) => `${name}\t2.5\t3.8\t0.133333\t0.7\t0\t0.0666667\t0.1\t0\t0`);
    const seeds = ["\n", "\r\n"].map((end) => Buffer.from([heading.join("\t"), ...rows].join(end)));
    return {
      make: (rng) => ({ file: "ground_truth.txt", bytes: mutated(rng, seeds) }),
      async read({ bytes }) {
        await writeFile(join(folder, "ground_truth.txt"), bytes);
        const { train, test } = await emotion6(folder);
        return [...train, ...test];
      },
      problem: (examples: readonly Example<unknown>[]) =>
        examples.length === names.length ? problemIn(folder, examples) : `${examples.length} examples`,
    };
  },
};

export const tableTargets: readonly Target[] = [...tables.map(fromText), parquetTarget, emotion6Target];
