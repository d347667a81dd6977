import { cp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { openCheckpoint } from "../../../src/models/checkpoint/weights";
import { loadArchitecture } from "../../../src/models/families";
import { loadImageProcessor } from "../../../src/models/inputs/image-processor";
import { loadTokenizer } from "../../../src/models/inputs/tokenizer";
import { checkpointDir } from "../../models/reference";
import { mutated, mutatedSettings, pick } from "../mutate";
import { type Input, notFinite, type Target } from "../target";

/** A copy of a checkpoint, of which each case has one file changed. */
async function checkpointIn(folder: string, names: readonly string[]) {
  await cp(checkpointDir, folder, { recursive: true });
  const originals = new Map<string, Buffer>();
  for (const name of names) originals.set(name, await readFile(join(folder, name)).catch(() => Buffer.from("{}")));
  return {
    originals,
    /** Does something with the folder as a case has it, and mends it. */
    async changed<T>({ file, bytes }: Input, use: () => Promise<T>): Promise<T> {
      await writeFile(join(folder, file), bytes);
      try {
        return await use();
      } finally {
        const original = originals.get(file);
        if (original && original.length > 2) await writeFile(join(folder, file), original);
        else await rm(join(folder, file));
      }
    },
  };
}

/** Files that decide which network is built: numbers of these files are multiplied, looped over and allocated by. */
export const settingsTarget: Target = {
  name: "settings",
  share: 100_000,
  inTest: 250,
  async open(folder) {
    const names = ["config.json", "generation_config.json", "preprocessor_config.json"];
    const { originals, changed } = await checkpointIn(folder, names);
    return {
      make(rng) {
        const file = pick(rng, names);
        return { file, bytes: mutatedSettings(rng, [originals.get(file)!]) };
      },
      read: (input) =>
        changed(input, async () => {
          const architecture = await loadArchitecture(folder);
          await openCheckpoint(folder, architecture);
          const { gridOf } = await loadImageProcessor(folder, architecture);
          return {
            config: architecture.config,
            grids: [gridOf({ width: 64, height: 48 }), gridOf({ width: 3000, height: 20 })],
          };
        }),
      problem: (read: object) => notFinite(read),
    };
  },
};

const vocabularySize = async () => (await loadArchitecture(checkpointDir)).config.text.vocabSize;

function idsProblem(size: number, ids: readonly number[]): string | undefined {
  const wrong = ids.find((id) => !(Number.isInteger(id) && id >= 0 && id < size));
  return wrong === undefined ? undefined : `token ${wrong} of a vocabulary of ${size}`;
}

/** Milliseconds that the tokenizer's process has for one call. */
const jobMs = 300;

const prompt = (text: string) => [
  { role: "system" as const, content: [{ type: "text" as const, text: "You see." }] },
  {
    role: "user" as const,
    content: [
      { type: "image" as const, image: new Uint8Array() },
      { type: "text" as const, text },
    ],
  },
];

export const templatesTarget: Target = {
  name: "templates",
  share: 10_000,
  inTest: 25,
  async open(folder) {
    const architecture = await loadArchitecture(checkpointDir);
    const { changed, originals } = await checkpointIn(folder, ["chat_template.jinja", "tokenizer_config.json"]);
    const templates = [
      originals.get("chat_template.jinja")!,
      Buffer.from("{% for m in messages %}{{ m['role'] }}: {{ m.content | tojson }}{% endfor %}{{ namespace(x=1).x }}"),
      Buffer.from(
        "{% macro a(n) %}{% if n > 0 %}{{ a(n - 1) }}{% endif %}{% endmacro %}{{ a(5) }}{{ '<|image_pad|>' }}",
      ),
      Buffer.from("{{ 'a' * 10 }}{% for i in range(3) %}{% for j in range(3) %}<|image_pad|>{% endfor %}{% endfor %}"),
    ];
    return {
      make: (rng) =>
        rng.integer(3) === 0
          ? { file: "tokenizer_config.json", bytes: mutatedSettings(rng, [originals.get("tokenizer_config.json")!]) }
          : { file: "chat_template.jinja", bytes: mutated(rng, templates) },
      read: (input) =>
        changed(input, async () => {
          const tokenizer = await loadTokenizer(folder, architecture, jobMs);
          return tokenizer.encodePrompt(prompt("A mug <|im_end|> {{ x }}"), [2]);
        }),
      problem: (ids: readonly number[]) => idsProblem(architecture.config.text.vocabSize, ids),
    };
  },
};

export const tokenizersTarget: Target = {
  name: "tokenizers",
  share: 10_000,
  inTest: 25,
  async open(folder) {
    const architecture = await loadArchitecture(checkpointDir);
    const size = await vocabularySize();
    const { changed, originals } = await checkpointIn(folder, ["tokenizer.json"]);
    const whole = JSON.parse(originals.get("tokenizer.json")!.toString());
    const seeds = [
      { normalizer: { type: "Replace", pattern: { String: "a" }, content: "aa" } },
      { pre_tokenizer: { type: "Split", pattern: { Regex: "(a+)+$|x" }, behavior: "Isolated", invert: false } },
      { model: { ...whole.model, vocab: { a: 0, b: 1, __proto__: 2 }, merges: [] } },
      {},
    ].map((part) => Buffer.from(JSON.stringify({ ...whole, ...part })));
    return {
      make: (rng) => ({ file: "tokenizer.json", bytes: mutatedSettings(rng, seeds) }),
      read: (input) =>
        changed(input, async () => {
          const tokenizer = await loadTokenizer(folder, architecture, jobMs);
          const ids = tokenizer.encode("A mug, 12 joys <|im_end|> constructor é 中 😀");
          tokenizer.decodeAll([ids, [], [0, 1, 2, size - 1]]);
          return ids;
        }),
      problem: (ids: readonly number[]) => idsProblem(size, ids),
    };
  },
};
