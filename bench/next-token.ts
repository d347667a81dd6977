/**
 * Claim: choosing one token of 152 000 for transformersJsBackend takes at most 25 ms of processor time for logits as a model has them.
 *
 *   npx tsx bench/next-token.ts
 *
 * Normal logits with the deviation of a model's, and nearly equal ones, for which top-p sorts most of the vocabulary; the middle of 40 tokens each.
 */
import { chooseToken, type TokenChoice } from "../src/backends/transformers-js/next-token";
import { createRng } from "../src/rng";
import { cpuTime } from "../test/cpu-time";

const plain = { temperature: 1, topK: Number.POSITIVE_INFINITY, topP: 1, repetitionPenalty: 1 };
const ways = { greedy: { ...plain, temperature: 0 }, plain, "top-p 0.9": { ...plain, topP: 0.9 } };
const all = { ...plain, temperature: 0.7, topK: 50, topP: 0.9, repetitionPenalty: 1.1 };

for (const [name, way] of Object.entries({ ...ways, "all four": all }))
  for (const spread of [5, 0.01]) {
    const rng = createRng(0, name, spread);
    const times = Array.from({ length: 40 }, () => {
      const normal = () => Math.sqrt(-2 * Math.log(1 - rng.uniform())) * Math.cos(2 * Math.PI * rng.uniform());
      const logits = Float32Array.from({ length: 152_000 }, () => spread * normal());
      const choice: TokenChoice = { ...way, forbidden: [0], seen: new Set([1, 2, 3]), uniform: rng.uniform() };
      return cpuTime(() => void chooseToken(logits, choice));
    }).sort((a, b) => a - b);
    console.log(
      `${name.padEnd(10)} deviation ${spread}: ${times[20]!.toFixed(1)} ms, at most ${times[39]!.toFixed(1)}`,
    );
  }
