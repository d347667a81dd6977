import { rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, describe, it } from "vitest";
import { cocoDataset } from "../../src/datasets/coco";
import { csvDataset } from "../../src/datasets/csv";
import { imageFolderDataset } from "../../src/datasets/image-folder";
import { jsonlDataset } from "../../src/datasets/jsonl";
import { classification } from "../../src/tasks/classification";
import { detection } from "../../src/tasks/detection";
import { describeDataset } from "../../src/testing";
import { jpeg, temporaryFolder, writeFiles } from "./temporary";

const folder = await temporaryFolder();
afterAll(() => rm(folder, { recursive: true }));
const photo = await jpeg(8, 4);
await writeFiles(folder, {
  "classes/dog/1.jpg": photo,
  "classes/cat/2.jpg": photo,
  "moods.csv": "image,joy,sadness\nclasses/dog/1.jpg,1,0\nclasses/cat/2.jpg,0.25,0.75\n",
  "moods.jsonl": '{"id":"a","image":"classes/dog/1.jpg","annotation":{"joy":1,"sadness":0}}\n',
  "instances.json": {
    images: [{ id: 1, file_name: "1.jpg", width: 8, height: 4 }],
    annotations: [{ id: 1, image_id: 1, category_id: 1, bbox: [1, 1, 4, 2] }],
    categories: [{ id: 1, name: "dog" }],
  },
});
const runner = { describe, it };
const moods = classification({ labels: ["joy", "sadness"] });

describeDataset(runner, "of a CSV file", () => csvDataset(join(folder, "moods.csv"), ["joy", "sadness"]), {
  task: moods,
});
describeDataset(runner, "of JSON lines", () => jsonlDataset(join(folder, "moods.jsonl"), moods), { task: moods });
describeDataset(runner, "of a folder for each class", () => imageFolderDataset(join(folder, "classes")), {
  task: classification({ labels: ["cat", "dog"] }),
});
describeDataset(
  runner,
  "of COCO's format",
  () => cocoDataset(join(folder, "instances.json"), join(folder, "classes", "dog")),
  { task: detection() },
);
