import { DataError } from "../errors";

/** A shorter end of a prompt may occur in it by chance. */
const shortestEnd = 8;

/**
 * The completion within a query: the decoded tokens of prompt and completion, special tokens included. The prompt is
 * not its beginning if it has an image, whose one mark the processor replaces with many: then the completion follows
 * the prompt's longest end that the query has. It takes linear time.
 * @throws DataError when the query does not have the prompt's end
 */
export function completionIn(query: string, prompt: string): string {
  if (query.startsWith(prompt)) return withoutEndTokens(query.slice(prompt.length));
  const matched = suffixMatches(prompt, query);
  const longest = matched.reduce((most, length) => Math.max(most, length), 0);
  if (longest < shortestEnd)
    throw new DataError("query: expected the prompt followed by the completion, got a text without the prompt's end");
  // The end may occur earlier in the prompt, too.
  const end = prompt.slice(prompt.length - longest);
  const times = suffixMatches(end, prompt).filter((length) => length === longest).length;
  const starts = [...matched.keys()].filter((start) => matched[start] === longest);
  return withoutEndTokens(query.slice((starts[times - 1] ?? starts.at(-1)!) + longest));
}

/**
 * For each place of a text, the longest suffix of `pattern` that begins there: the algorithm of Knuth, Morris and
 * Pratt, from the end to the beginning.
 */
function suffixMatches(pattern: string, text: string): Int32Array {
  const last = pattern.length - 1;
  const fallback = new Int32Array(pattern.length + 1);
  const extended = (matched: number, character: number): number => {
    let length = matched === pattern.length ? fallback[matched]! : matched;
    while (length > 0 && pattern.charCodeAt(last - length) !== character) length = fallback[length]!;
    return pattern.charCodeAt(last - length) === character ? length + 1 : 0;
  };
  for (let i = 1; i < pattern.length; i++) fallback[i + 1] = extended(fallback[i]!, pattern.charCodeAt(last - i));
  const matches = new Int32Array(text.length);
  for (let i = text.length - 1; i >= 0; i--) matches[i] = extended(matches[i + 1] ?? 0, text.charCodeAt(i));
  return matches;
}

function withoutEndTokens(text: string): string {
  let left = text.trimEnd();
  for (;;) {
    const at = left.lastIndexOf("<");
    if (at < 0 || !/^(?:<\|\w+\|>|<\/s>|<eos>)$/.test(left.slice(at))) return left;
    left = left.slice(0, at).trimEnd();
  }
}
