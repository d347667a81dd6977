import { existsSync } from "node:fs";
import { extname, join } from "node:path";
import { type Document, isMap, isScalar, LineCounter, parseDocument, visit } from "yaml";
import { ConfigError, RiseError } from "../errors";
import { readText } from "../files/open";

/** The content of a config file, and the place of each of its options. */
export interface Source {
  readonly value: unknown;
  /** Names the file, and the line if the file's language has one. */
  place(path: readonly string[]): string;
}

/** The names that a config file may have, in the order in which they are looked for. */
const configNames = ["yaml", "yml", "json", "ts", "mts", "js", "mjs"].map((ending) => `rise.config.${ending}`);

/** The name of a folder's config file, if it has one. */
export const findConfig = (folder: string): string | undefined =>
  configNames.find((name) => existsSync(join(folder, name)));

/**
 * Reads a config file: YAML, JSON, or a TypeScript or JavaScript module whose default export is the config.
 * @param name the file in messages
 * @throws ConfigError naming the file and the line
 */
export async function readSource(path: string, name: string): Promise<Source> {
  const ending = extname(path);
  if ([".yaml", ".yml", ".json"].includes(ending)) return readDocument(path, name);
  if ([".ts", ".mts", ".cts", ".js", ".mjs", ".cjs"].includes(ending)) return readModule(path, name);
  throw new ConfigError(
    `${name}: expected a config that ends in .yaml, .yml, .json, .ts or .js, got ${ending || "no ending"}`,
  );
}

async function readDocument(path: string, name: string): Promise<Source> {
  if (!existsSync(path))
    throw new ConfigError(`${name}: expected a config file, got no such file; rise-ts init writes one`);
  const text = await readText(path, "a config file").catch((cause: Error) => {
    throw new ConfigError(`${name}${cause.message.slice(path.length)}`, { cause });
  });
  const lines = new LineCounter();
  // JSON is YAML.
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const lineAt = (offset: number) => `${name}:${Math.max(1, lines.linePos(offset).line)}`;
  const [fault] = document.errors;
  if (fault) throw new ConfigError(`${lineAt(fault.pos[0])}: expected YAML or JSON: ${fault.message}`);
  return {
    value: contentOf(document, name, lineAt) ?? {},
    place(keys) {
      for (let length = keys.length; length > 0; length--) {
        const offset = keyOffset(document, keys.slice(0, length));
        if (offset !== undefined) return lineAt(offset);
      }
      return name;
    },
  };
}

function contentOf(document: Document, name: string, lineAt: (offset: number) => string): unknown {
  visit(document, {
    Alias(_, alias) {
      if (!alias.resolve(document))
        throw new ConfigError(
          `${lineAt(alias.range![0])}: expected YAML or JSON, got *${alias.source}, which refers to nothing; write it in quotes`,
        );
    },
  });
  try {
    return document.toJS();
  } catch (cause) {
    throw new ConfigError(`${name}: expected YAML or JSON: ${(cause as Error).message}`, { cause });
  }
}

function keyOffset(document: Document, keys: readonly string[]): number | undefined {
  const parent = keys.length === 1 ? document.contents : document.getIn(keys.slice(0, -1), true);
  const pair = isMap(parent)
    ? parent.items.find(({ key }) => isScalar(key) && String(key.value) === keys.at(-1))
    : null;
  return isScalar(pair?.key) ? pair.key.range?.[0] : undefined;
}

async function readModule(path: string, name: string): Promise<Source> {
  const { createJiti } = await import("jiti");
  // Node 20 reads no TypeScript itself.
  const value = await createJiti(import.meta.url, { fsCache: false, moduleCache: false })
    .import(path, { default: true })
    .catch((cause: unknown) => {
      const [, line] = String(Object(cause).stack).split(`${path}:`);
      const fault =
        cause instanceof RiseError ? cause.message : `expected a module that can be loaded: ${String(cause)}`;
      throw new ConfigError(`${name}${line ? `:${Number.parseInt(line, 10)}` : ""}: ${fault}`, { cause });
    });
  return { value, place: () => name };
}
