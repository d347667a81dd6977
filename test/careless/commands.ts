import { rise } from "../cli/rise";
import { writeFiles } from "../datasets/temporary";
import type { Careless } from "./case";

/** A command line, beside these files; it prints its first line. */
function command(line: string, files: Readonly<Record<string, string>> = {}) {
  return async (folder: string) => {
    await writeFiles(folder, { ...files });
    const { err } = await rise(line.split(" "), { folder });
    return err;
  };
}

const config = (data: string) => ({
  "rise.config.yaml": `task: { kind: classification, labels: [joy, sadness] }\n${data}\n`,
});
const line = (text: string, files: Readonly<Record<string, string>> = {}, more: Partial<Careless> = {}): Careless => ({
  input: `\`rise-ts ${text}\``,
  call: command(text, files),
  ...more,
});

const commandLines: readonly Careless[] = [
  line("doctr"),
  line("cot --grupSize 4"),
  line("cot --num_generations 4"),
  line("cot --steps"),
  line("cot --steps ten", config("data: { format: csv, path: a.csv }")),
  line("doctor now"),
  line("memory"),
  line("memory nowhere"),
  line("data chek"),
  line("eval --split tset"),
  line("annotate"),
  line("annotate nowhere"),
  line("report nowhere"),
  line("compare nowhere"),
  line("compare here there"),
  line("init nowhere"),
  line("run"),
];

const configs: readonly Careless[] = [
  {
    input: "a key that is misspelt",
    call: command("data check", config("data: { format: csv, path: a.csv }\ncto: { steps: 3 }")),
  },
  { input: "YAML that is cut short", call: command("data check", { "rise.config.yaml": "task: {" }) },
  { input: "data that is missing", call: command("data check", config("data: { format: csv, path: a.csv }")) },
  { input: "an unknown format", call: command("data check", config("data: { format: xml, path: a.xml }")) },
  { input: "a config that is missing", call: command("data check --config other.yaml") },
];

export const commands = { "command lines": commandLines, "config files": configs };
