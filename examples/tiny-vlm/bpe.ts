/** Byte-level byte-pair encoding (Sennrich et al. 2016, over GPT-2's byte alphabet), learnt from texts and written as Hugging Face files. */

export const specialTokens = [
  "<|endoftext|>",
  "<|im_start|>",
  "<|im_end|>",
  "<|vision_start|>",
  "<|vision_end|>",
  "<|vision_pad|>",
  "<|image_pad|>",
  "<|video_pad|>",
] as const;

/** Qwen2's way of cutting text into words: digits one by one, a word with the space or mark before it. */
const qwenSplit =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const splitPattern = new RegExp(
  qwenSplit.replace("(?i:'s|'t|'re|'ve|'m|'ll|'d)", "'(?:[sS]|[tT]|[rR][eE]|[vV][eE]|[mM]|[lL][lL]|[dD])"),
  "gu",
);

/** Merges, most frequent pair first (ties: the pair that sorts first), until the alphabet and they make `size` tokens. */
export function learnMerges(texts: Iterable<string>, size: number): [string, string][] {
  const counts = new Map<string, number>();
  for (const text of texts)
    for (const [word] of text.normalize("NFC").matchAll(splitPattern)) counts.set(word, (counts.get(word) ?? 0) + 1);
  let words = [...counts].map(([word, count]) => ({
    pieces: [...Buffer.from(word, "utf8")].map((byte) => byteAlphabet[byte]!),
    count,
  }));
  const merges: [string, string][] = [];
  while (byteAlphabet.length + merges.length < size) {
    const pairs = new Map<string, number>();
    for (const { pieces, count } of words)
      for (let i = 0; i + 1 < pieces.length; i++) {
        const pair = `${pieces[i]} ${pieces[i + 1]}`;
        pairs.set(pair, (pairs.get(pair) ?? 0) + count);
      }
    const best = [...pairs].reduce<[string, number]>(
      (a, b) => (b[1] > a[1] || (b[1] === a[1] && b[0] < a[0]) ? b : a),
      ["", 0],
    );
    if (best[1] < 2) break;
    const [left, right] = best[0].split(" ") as [string, string];
    merges.push([left, right]);
    words = words.map(({ pieces, count }) => ({ pieces: mergePair(pieces, left, right), count }));
  }
  return merges;
}

function mergePair(pieces: readonly string[], left: string, right: string): string[] {
  const merged: string[] = [];
  for (let i = 0; i < pieces.length; i++) {
    if (pieces[i] === left && pieces[i + 1] === right) {
      merged.push(left + right);
      i++;
    } else merged.push(pieces[i]!);
  }
  return merged;
}

/** A printable character for each byte, as GPT-2 assigns them. */
const byteAlphabet: readonly string[] = (() => {
  const printable = (byte: number) => (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(printable(byte) ? byte : next++));
})();

/** The contents of tokenizer.json. */
export function tokenizerJson(merges: readonly (readonly [string, string])[]): object {
  const tokens = [...byteAlphabet, ...merges.map(([a, b]) => a + b)];
  const split = { type: "Split", pattern: { Regex: qwenSplit }, behavior: "Isolated", invert: false };
  const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: false, use_regex: false };
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: specialTokens.map((content, i) => ({
      id: tokens.length + i,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: { type: "NFC" },
    pre_tokenizer: { type: "Sequence", pretokenizers: [split, byteLevel] },
    post_processor: byteLevel,
    decoder: byteLevel,
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: "",
      end_of_word_suffix: "",
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges,
    },
  };
}
