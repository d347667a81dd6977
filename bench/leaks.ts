/**
 * How good the leak checks are as a classifier of cots: precision, the share that leaks of what they find; recall, the share they find of what leaks.
 *
 *   npx tsx bench/leaks.ts                a second
 *
 * The cots of test/checks/leak-set.json are written by hand; real ones will be odder. The rules were made for the mistakes in the tune part, so its
 * figures say nothing. The fresh part was written by somebody who had not read them when they were finished, and later changes were made for other sentences:
 * believe that one, and the head of the file, which tells how nine parts before it fared. Mistakes are listed for the tune part only.
 */
import { scorePart } from "../test/checks/leak-set";

const parts = (["tune", "fresh"] as const).map((part) => ({ part, ...scorePart(part) }));
for (const { part, rows, precision, recall, mistakes } of parts) {
  console.log(
    `${part.padEnd(9)} ${rows} cots   precision ${precision.toFixed(3)}   recall ${recall.toFixed(3)}   mistakes ${mistakes.length}`,
  );
}
for (const { leaks, kind, cot } of parts[0]!.mistakes)
  console.log(`${leaks ? "missed" : "false alarm"} (${kind}): ${cot}`);
console.log(
  JSON.stringify({
    bench: "leaks",
    results: parts.map(({ mistakes, ...score }) => ({ ...score, mistakes: mistakes.length })),
  }),
);
