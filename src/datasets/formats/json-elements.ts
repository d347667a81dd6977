import { pipeline, Readable } from "node:stream";
import type { Token } from "stream-json/parser.js";
import { DataError } from "../../errors";
import { jsonScanner } from "../../files/json-fault";
import { longestLine, readText } from "./lines";

/** An element of one of the arrays at the top of a JSON file. */
export interface JsonElement {
  readonly key: string;
  /** The position in the array, from 0. */
  readonly index: number;
  readonly value: unknown;
}

/**
 * Yields the elements of the top-level arrays `keys` of a JSON file, one at a time, in the order of the file.
 * @param keys absent if the file is itself an array
 * @param without a field of the elements to skip; its value becomes `true`
 * @throws DataError for a file that is not JSON, with the place of the fault, and for a text in it above `longestLine`
 */
export async function* readJsonElements(
  path: string,
  keys?: readonly string[],
  without?: string,
): AsyncGenerator<JsonElement> {
  const { default: withParser } = await import("stream-json/utils/with-parser.js");
  const { default: Assembler } = await import("stream-json/assembler.js");
  const elements = elementsOf(keys, without, () => new Assembler(), path);
  // A plain function of tokens works; the type demands one that also handles the end.
  const stage = (() => elements) as unknown as Parameters<typeof withParser.asStream>[0];
  const parser = withParser.asStream(stage, { streamValues: false, streamStrings: true });
  // Errors of the parser reach its reader below.
  pipeline(Readable.from(readText(path, "JSON")), parser, () => {});
  try {
    yield* parser as AsyncIterable<JsonElement>;
  } catch (cause) {
    if (cause instanceof DataError) throw cause;
    throw new DataError(`${path}: expected JSON, ${(await faultOf(path)) ?? "got text that cannot be read"}`, {
      cause,
    });
  }
}

/** Reads a file again that the parser refused, to find the fault. */
async function faultOf(path: string): Promise<string | undefined> {
  const scanner = jsonScanner();
  let isEmpty = true;
  for await (const text of readText(path, "JSON")) {
    const fault = scanner.push(text);
    if (fault !== undefined) return fault;
    isEmpty &&= text === "";
  }
  return isEmpty ? "got an empty file" : scanner.end();
}

interface ValueAssembler {
  consume(token: Token): unknown;
  readonly current: unknown;
}

/** Makes a function of tokens that returns an element when a token completes one. */
function elementsOf(
  asked: readonly string[] | undefined,
  without: string | undefined,
  assembler: () => ValueAssembler,
  path: string,
) {
  // An array at the top is read as if it stood under the key "".
  let depth = asked ? 0 : 1;
  const keys = asked ?? [""];
  let key = "";
  let index = 0;
  let length = 0;
  let element: ValueAssembler | undefined;
  let isPassedOver = false;

  const complete = (value: unknown): JsonElement => ({ key, index: index++, value });
  return (token: Token): JsonElement | undefined => {
    const { name } = token;
    if (name === "startString") length = 0;
    if (name === "stringChunk" && (length += token.value.length) > longestLine)
      throw new DataError(`${path}: expected texts of at most ${longestLine / 2 ** 20} MiB, got a longer one`);

    const closes = name === "endObject" || name === "endArray";
    if (name === "startObject" || name === "startArray") depth++;
    const at = depth;
    if (closes) depth--;
    if (at === 1 && name === "keyValue") [key, index] = [token.value, 0];
    if (at < 2 || !keys.includes(key)) return undefined;
    if (at === 2 && name === "startObject")
      throw new DataError(`${path}: expected "${key}" to be an array, got an object`);
    if (at === 2) return scalars.has(name) && "value" in token ? complete(token.value) : undefined;

    const ends = at === 3 && closes;
    element ??= assembler();
    if (at === 3 && name === "keyValue") {
      isPassedOver = token.value === without;
      if (isPassedOver) for (const stand of [token, present]) element.consume(stand);
    }
    if (!isPassedOver || ends) element.consume(token);
    if (!ends) return undefined;
    const { current } = element;
    [element, isPassedOver] = [undefined, false];
    return complete(current);
  };
}

const present: Token = { name: "trueValue", value: true };
const scalars: ReadonlySet<string> = new Set(["stringValue", "numberValue", "nullValue", "trueValue", "falseValue"]);
