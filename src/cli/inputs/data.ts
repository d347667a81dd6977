import { writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { type ConfigData, readData } from "../../config/data";
import { selectHighQuality } from "../../cots/select";
import { exportCots } from "../../datasets/export";
import { imageFile } from "../../datasets/formats/export-image";
import { ConfigError } from "../../errors";
import { writeWholeFolder } from "../../files/whole-folder";
import { nearest } from "../../options/did-you-mean";
import { counted } from "../../options/display";
import { choice, number, text } from "../../options/spec";
import type { Example, ImageSource } from "../../types";
import type { Call, Command, Outcome } from "../frame/command";
import { exitCodes } from "../frame/exit-codes";
import { readCots } from "../frame/rows";
import { checkImages, describeData, imagesWords, parts } from "./check-data";

type Action = (data: ConfigData, call: Call) => Promise<Outcome>;

const actions: Readonly<Record<string, Action>> = { check, convert, export: exportThoughts };

/** Checks data, copies it into one format, or writes thoughts for other trainers. */
export const data: Command = {
  operands: [
    {
      name: "ACTION",
      help: "check: reads everything and decodes every image; convert: copies the data to DIR as JSONL with its images; export: writes the thoughts of stage 1 to DIR for other trainers",
    },
    { name: "DIR", help: "the folder to make, for convert and export", isOptional: true },
  ],
  sections: { short: ["data"], long: ["task"], without: ["model", "resume"] },
  flags: {
    to: choice(["trl", "sharegpt", "messages", "parquet"]).default("trl").describe("The format of export"),
    cots: text().optional().describe("The thoughts to export; cot/cots.jsonl in runDir without it"),
    threshold: number().default(0.75).describe("Exports thoughts with at least this reward"),
  },
  async run(call) {
    const [name = ""] = call.operands;
    const action = Object.hasOwn(actions, name) ? actions[name] : undefined;
    if (!action) {
      const meant = nearest(name, Object.keys(actions));
      throw new ConfigError(
        `expected ACTION to be one of ${Object.keys(actions).join(", ")}, got "${name}"${meant ? `; did you mean "${meant}"?` : ""}`,
      );
    }
    return action(await readData(await call.config()), call);
  },
};

async function check(data: ConfigData, call: Call): Promise<Outcome> {
  const { result, text } = describeData(data);
  const { checked, bad } = await checkImages(data, { signal: call.stop() });
  const left = data.omissions.map(({ where, reason }) => `\nleft out: ${where}: ${reason}`).join("");
  return {
    result: { ...result, images: { checked, bad } },
    text: `${text}\n${imagesWords(checked, bad)}${left}`,
    ...(bad.length > 0 && { code: exitCodes.data }),
  };
}

const folderOf = ({ operands: [action, dir], folder }: Call): string => {
  if (dir === undefined) throw new ConfigError(`expected the folder to make after ${action}, got nothing; pass DIR`);
  return resolve(folder, dir);
};

async function convert(data: ConfigData, call: Call): Promise<Outcome> {
  const dir = folderOf(call);
  const filled = parts.filter((part) => data[part].length > 0);
  await writeWholeFolder(dir, async (folder) => {
    const images = new Map<ImageSource, string>();
    const nameOf = async (example: Example<unknown>) => {
      const known = images.get(example.image);
      if (known !== undefined) return known;
      const { bytes, extension } = await imageFile(example.image, `example ${example.id}`);
      const name = `${String(images.size).padStart(6, "0")}.${extension}`;
      images.set(example.image, name);
      await writeFile(join(folder, name), bytes);
      return name;
    };
    for (const part of filled) {
      const rows: string[] = [];
      for (const example of data[part]) rows.push(`${JSON.stringify({ ...example, image: await nameOf(example) })}\n`);
      await writeFile(join(folder, `${part}.jsonl`), rows.join(""));
    }
  });
  const files = filled.map((part) => join(dir, `${part}.jsonl`));
  return { result: { files }, text: `Wrote ${files.join(", ")}.` };
}

async function exportThoughts({ task, train }: ConfigData, call: Call): Promise<Outcome> {
  const dir = folderOf(call);
  const { to, threshold, cots } = call.flags as { to: "trl"; threshold: number; cots?: string };
  const { runDir } = await call.config();
  const file = cots === undefined ? join(runDir, "cot", "cots.jsonl") : resolve(call.folder, cots);
  const kept = selectHighQuality(await readCots(file), { threshold });
  const written = await exportCots({ cots: kept, dataset: train, task, format: to, dir });
  return {
    result: { file: written, thoughts: kept.length },
    text: `Wrote ${counted(kept.length, "thought")} to ${written}.`,
  };
}
