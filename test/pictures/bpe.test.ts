import { PreTrainedTokenizer } from "@huggingface/transformers";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { learnMerges, specialTokens, tokenizerJson } from "../../examples/tiny-vlm/bpe";

const texts = ["The cat is on the left, the hat is on the right.", "That's 0.25 of it, and 0.75 isn't."];
const merges = learnMerges([...texts, ...texts], 280);
const tokenizer = new PreTrainedTokenizer(tokenizerJson(merges), {});
const encode = (text: string) => tokenizer.encode(text, { add_special_tokens: false });
const decode = (ids: readonly number[]) => tokenizer.decode([...ids], { clean_up_tokenization_spaces: false });

describe("byte-pair encoding", () => {
  it("reads back any text that it wrote, in composed form", () => {
    const text = fc.string({ unit: "grapheme", minLength: 1 });
    fc.assert(fc.property(text, (written) => void expect(decode(encode(written))).toBe(written.normalize("NFC"))));
  });

  it("merges the most frequent pair first, within words only, and stops where nothing repeats", () => {
    expect(learnMerges(["abab abab"], 1000)).toEqual([
      ["a", "b"],
      ["ab", "ab"],
    ]);
  });

  it("settles a tie by the order of the characters, so that the same texts always give the same merges", () => {
    expect(learnMerges(["xy xy ab ab"], 257)).toEqual([["a", "b"]]);
    expect(learnMerges(["ab xy ab xy"], 257)).toEqual([["a", "b"]]);
  });

  it("makes as many tokens as asked for", () => {
    expect(merges).toHaveLength(280 - 256);
  });

  it("keeps digits apart, so that numbers are written one digit after the other", () => {
    expect(encode("0.25").map((id) => decode([id]))).toEqual(["0", ".", "2", "5"]);
  });

  it("knows each special token by one id, after all others", () => {
    expect(specialTokens.flatMap(encode)).toEqual(specialTokens.map((_, i) => 280 + i));
  });
});
