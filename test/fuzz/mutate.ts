import type { Rng } from "../../src/rng";

/** Words and numbers that have broken programs which read them. */
export const dictionary: readonly string[] = [
  ...["__proto__", "constructor", "prototype", "toString", "hasOwnProperty", "valueOf", "then", "length", "toJSON"],
  ...["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "-0", "0", "-1", "1e-320", "1e308", "0.1", "00", "1_000"],
  ...["2147483648", "4294967296", "9007199254740993", "18446744073709551616", "1000000000000000000000", "null", "true"],
  ...["undefined", '""', "{}", "[]", "[[]]", '{"__proto__":{"polluted":1}}', '"\\ud800"', '"\\u0000"', "\ufeff"],
  ...["../", "../outside.png", "..%2f", "/etc/passwd", "C:\\", "\\\\host\\share", "file:///etc/passwd", "\0", "%zz"],
  ...["<script>", "</svg>", "<!--", "]]>", "&amp;", "&#0;", '"', "'", "`", "$&", "$1", "\\", "\u2028", "\u202e"],
  ...["<think>", "</think>", "<answer>", "</answer>", "<|image_pad|>", "<|im_end|>", "<|vision_start|>", "|", "\t"],
  ...["{{", "}}", "{%", "%}", "{% for i in range(10**9) %}", "{{ x.constructor }}", "{{ range(99999999) | join }}"],
  ...["(a+)+$|x", "\\p{L}", "(?<=a)", "[^]", "zero", "quarter", "joy", "mug", "third", "per cent", "١٢٣", "一百", "½"],
];

/** A character, or a few, of every class that some reader treats by itself. */
const runs = [..."0 \n\r\t,.;:[]{}()\"'`<>|&-_=+e1aéΩ中ก😀\u0301\u0323\u200d\ufeff\ud800", "[{", '{"a":', "1,", "a'"];

/** One input, changed in one place or a few, and now and then in none; some changes repeat up to `longest` bytes. */
export function mutated(rng: Rng, seeds: readonly Uint8Array[], longest = 4096): Uint8Array {
  let bytes: Buffer = Buffer.from(seeds[rng.integer(seeds.length)]!);
  for (let left = few(rng); left > 0; left--) bytes = changed(rng, bytes, seeds, longest);
  return bytes;
}

/** 0 to 4, most often 1. */
const few = (rng: Rng) => [0, 1, 1, 1, 1, 1, 1, 2, 2, 2, 3, 4][rng.integer(12)]!;

function changed(rng: Rng, bytes: Buffer, seeds: readonly Uint8Array[], longest: number): Buffer {
  const at = rng.integer(bytes.length + 1);
  const end = Math.min(bytes.length, at + lengthUpTo(rng, bytes.length));
  const put = (middle: Uint8Array, from = at, to = from) =>
    Buffer.concat([bytes.subarray(0, from), middle, bytes.subarray(to)]);
  switch (rng.integer(9)) {
    case 0: {
      const copy = Buffer.from(bytes);
      if (at < copy.length) copy[at]! ^= 1 << rng.integer(8);
      return copy;
    }
    case 1:
      return put(
        Uint8Array.from({ length: end - at && Math.min(8, end - at) }, () => rng.integer(256)),
        at,
        end,
      );
    case 2:
      return bytes.subarray(0, at);
    case 3:
      return put(Buffer.alloc(0), at, end);
    case 4:
      return put(bytes.subarray(at, end));
    case 5: {
      const other = seeds[rng.integer(seeds.length)]!;
      const from = rng.integer(other.length + 1);
      return put(other.subarray(from, from + lengthUpTo(rng, other.length)), at, end);
    }
    case 6:
      return put(Buffer.from(pick(rng, dictionary)));
    case 7:
      return put(Buffer.from(pick(rng, runs).repeat(lengthUpTo(rng, longest)).slice(0, longest)));
    default:
      return withOtherNumber(rng, bytes);
  }
}

/** Short lengths are the likelier ones. */
const lengthUpTo = (rng: Rng, most: number) => Math.floor((most + 1) ** rng.uniform());

export const pick = <T>(rng: Rng, list: readonly T[]): T => list[rng.integer(list.length)]!;

function withOtherNumber(rng: Rng, bytes: Buffer): Buffer {
  const text = bytes.toString("latin1");
  const numbers = [...text.slice(0, 1e5).matchAll(/\d+(?:\.\d+)?/g)];
  if (numbers.length === 0) return bytes;
  const { 0: number, index } = pick(rng, numbers);
  const other = pick(rng, dictionary.slice(9, 27));
  return Buffer.from(text.slice(0, index) + other + text.slice(index + number.length), "latin1");
}

const oddValues: readonly ((rng: Rng) => unknown)[] = [
  () => null,
  () => true,
  () => ({}),
  () => [],
  () => "",
  (rng) => pick(rng, dictionary),
  (rng) => pick(rng, [0, -1, 0.5, -0, 1e308, 5e-324, 2 ** 31, 2 ** 32, 2 ** 53, 1e21, 3, 7, 1000, 1e6]),
  (rng) => pick(rng, runs).repeat(lengthUpTo(rng, 20_000)),
  (rng) => Array.from({ length: lengthUpTo(rng, 3000) }, () => pick<unknown>(rng, [0, "", null, [], {}])),
  () => deep,
];

/** Stands for lists in lists, deeper than any recursion goes, until the text is there. */
const deep = "@deep@";

/** JSON that is still JSON, with few of its values exchanged, left out, doubled, or under another key. */
export function mutatedJson(rng: Rng, seeds: readonly Uint8Array[]): Uint8Array {
  let json: unknown = JSON.parse(Buffer.from(pick(rng, seeds)).toString());
  for (let left = few(rng); left > 0; left--) json = changedValue(rng, json);
  // A key "__proto__" that an object cannot be given is written into the text.
  const depth = 10 ** rng.integer(6);
  const text = (JSON.stringify(json) ?? "null").replace(`"${deep}"`, "[".repeat(depth) + "]".repeat(depth));
  return Buffer.from(rng.integer(8) === 0 ? text.replace(/"[\w.]+":/, '"__proto__":') : text);
}

function changedValue(rng: Rng, value: unknown): unknown {
  if (typeof value !== "object" || value === null || rng.integer(12) === 0) return pick(rng, oddValues)(rng);
  if (Array.isArray(value)) {
    const at = rng.integer(value.length + 1);
    if (at === value.length) return [...value, pick(rng, oddValues)(rng)];
    if (rng.integer(4) === 0) return value.toSpliced(at, rng.integer(2), ...value.slice(0, rng.integer(3)));
    return value.with(at, changedValue(rng, value[at]));
  }
  const entries = Object.entries(value);
  const at = rng.integer(entries.length + 1);
  if (at === entries.length) entries.push([pick(rng, dictionary), pick(rng, oddValues)(rng)]);
  else {
    const [key, child] = entries[at]!;
    const choice = rng.integer(8);
    if (choice === 0) entries.splice(at, 1);
    else entries[at] = choice === 1 ? [pick(rng, dictionary), child] : [key, changedValue(rng, child)];
  }
  return Object.fromEntries(entries);
}

/** Either: where the seeds are JSON, two of three cases remain JSON. */
export const mutatedSettings = (rng: Rng, seeds: readonly Uint8Array[]): Uint8Array =>
  rng.integer(3) === 0 ? mutated(rng, seeds) : mutatedJson(rng, seeds);
