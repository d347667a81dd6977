import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { dirname, relative, resolve } from "node:path";
import { type ConfigData, readData } from "../../config/data";
import type { Config } from "../../config/read";
import { withValue } from "../../config/values";
import type { Omission } from "../../dataset";
import { ConfigError, DataError } from "../../errors";
import { writingTo } from "../../files/refusals";
import { defaultModel } from "../../models/open-model";
import { flag, text } from "../../options/spec";
import type { Call, Command } from "../frame/command";
import { exitCodes } from "../frame/exit-codes";
import { checkImages, describeData, imagesWords } from "./check-data";
import { configText } from "./config-text";
import { lookAt } from "./look";

/** Images that are decoded to try them. */
const tried = 200;

/** Looks at data, writes a config for it, and checks it. */
export const init: Command = {
  operands: [{ name: "DATA", help: "a file or a folder; this folder without it", isOptional: true }],
  sections: { short: ["data"], long: ["task", "trainer", "cot", "r1"], without: ["resume"] },
  flags: {
    file: text().default("rise.config.yaml").describe("The config to write"),
    overwrite: flag().default(false).describe("Replaces a config that is there"),
  },
  async run(call) {
    const file = resolve(call.folder, String(call.flags.file));
    const name = relative(call.folder, file);
    if (existsSync(file) && !call.flags.overwrite)
      throw new ConfigError(`${name}: expected no config yet, got one; pass --overwrite, or --file with another name`);
    const { what, task, data } = await lookAt(resolve(call.folder, call.operands[0] ?? "."));
    call.say(`found ${what} at ${data.path}`);
    const found = { task, data: { test: 0.2, ...data }, model: defaultModel, trainer: { lora: { rank: 16 } } };
    const { config, examples, fault } = await readAll(await call.config(found), call);
    await writingTo(name, () => writeFile(file, configText(config.given, config.kinds, dirname(file))));
    if (!examples)
      return {
        result: { config: file, found: what, problem: fault },
        text: `Wrote ${name}, but the data cannot be read yet: ${fault}`,
        code: exitCodes.data,
      };
    const { checked, bad } = await checkImages(examples, { most: tried, signal: call.stop() });
    const described = describeData(examples);
    return {
      result: { config: file, found: what, ...described.result, images: { checked, bad } },
      text: `${described.text}\n${imagesWords(checked, bad)}\n\nWrote ${name}. Next: npx rise-ts run, or npx rise-ts cot.`,
      ...(bad.length > 0 && { code: exitCodes.data }),
    };
  },
};

interface ReadAll {
  readonly config: Config;
  readonly examples?: ConfigData;
  readonly fault?: string;
}

/** Reads the data; if something in it makes no example, the config leaves that out and lists it. */
async function readAll(config: Config, call: Call): Promise<ReadAll> {
  const attempt = async (tried: Config): Promise<ReadAll> => {
    try {
      return { config: tried, examples: await readData(tried) };
    } catch (error) {
      if (!(error instanceof DataError)) throw error;
      return { config: tried, fault: error.message };
    }
  };
  const first = await attempt(config);
  if (first.examples) return first;
  const lenient = await attempt(withOmissions(config));
  if (!lenient.examples) return first;
  const [{ where, reason }, ...more] = lenient.examples.omissions as [Omission, ...Omission[]];
  const others = more.length > 0 ? ` and ${more.length} more` : "";
  call.say(`data.onOmission is "list", which leaves out ${where}${others}: ${reason}`);
  return lenient;
}

const withOmissions = (config: Config): Config => ({
  ...config,
  data: { ...config.data, onOmission: "list" },
  given: withValue(config.given, ["data", "onOmission"], "list"),
});
