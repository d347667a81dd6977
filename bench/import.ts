/**
 * Processor time of importing an entry of the built package, in milliseconds: the least and the middle of nine new
 * processes. Without a name, the root and the checks.
 *
 *   npx tsup --no-dts && npx tsx bench/import.ts [index checks …]
 */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const script = `const before = process.cpuUsage();
await import(process.env.ENTRY);
const { user, system } = process.cpuUsage(before);
console.log((user + system) / 1000);`;

const names = process.argv.length > 2 ? process.argv.slice(2) : ["index", "checks"];
for (const name of names) {
  const env = { ...process.env, ENTRY: pathToFileURL(join("dist", `${name}.js`)).href };
  const times = Array.from({ length: 9 }, () =>
    Number(execFileSync(process.execPath, ["--input-type=module", "-e", script], { env, encoding: "utf8" })),
  ).sort((a, b) => a - b);
  console.log(`${name}: ${times[0]!.toFixed(0)} ms at least, ${times[4]!.toFixed(0)} ms in the middle`);
}
