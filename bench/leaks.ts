/**
 * Claim: of cots that the leak checks were not tuned on, they find at least 95 % of the leaky ones, and at least 95 % of what they find leaks.
 *
 *   npx tsx bench/leaks.ts                a second
 *
 * The cots of test/checks/leak-set.json were written by one author, who also knew the checks: real ones will be odder. Mistakes are printed for the
 * half that is for tuning; those of the held-out half stay unseen, or it would be none.
 */
import { scoreHalf } from "../test/checks/leak-set";

const halves = (["tune", "held-out"] as const).map((half) => ({ half, ...scoreHalf(half) }));
for (const { half, rows, precision, recall, mistakes } of halves) {
  console.log(
    `${half.padEnd(9)} ${rows} cots   precision ${precision.toFixed(3)}   recall ${recall.toFixed(3)}   mistakes ${mistakes.length}`,
  );
}
for (const { leaks, kind, cot } of halves[0]!.mistakes)
  console.log(`${leaks ? "missed" : "false alarm"} (${kind}): ${cot}`);
console.log(
  JSON.stringify({
    bench: "leaks",
    results: halves.map(({ mistakes, ...score }) => ({ ...score, mistakes: mistakes.length })),
  }),
);
