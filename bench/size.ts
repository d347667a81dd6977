/**
 * Prints the lines of src/ that are not blank, by folder, and their change since another commit.
 *
 *   npx tsx bench/size.ts [COMMIT]          HEAD^
 */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const commit = process.argv[2] ?? "HEAD^";
const git = (...args: readonly string[]) =>
  execFileSync("git", args, { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"], maxBuffer: 2 ** 28 });

const files = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" }).filter((file) =>
  file.endsWith(".ts"),
);
const now = linesByFolder(files, (file) => readFileSync(join(root, "src", file), "utf8"));
const before = linesBefore();
for (const folder of [...new Set([...now.keys(), ...before.keys()])].sort()) print(folder, now, before);
print("src", total(now), total(before));

/** Empty if the history lacks the commit, as in a shallow clone. */
function linesBefore(): ReadonlyMap<string, number> {
  try {
    const names = git("ls-tree", "-r", "--name-only", commit, "src").split("\n");
    const known = names.filter((name) => name.endsWith(".ts")).map((name) => name.slice("src/".length));
    return linesByFolder(known, (file) => git("show", `${commit}:src/${file}`));
  } catch {
    return new Map();
  }
}

function linesByFolder(names: readonly string[], read: (name: string) => string): ReadonlyMap<string, number> {
  const lines = new Map<string, number>();
  for (const name of names) {
    const [folder] = name.replaceAll("\\", "/").includes("/") ? name.replaceAll("\\", "/").split("/") : ["(top)"];
    const count = read(name)
      .split("\n")
      .filter((line) => line.trim() !== "").length;
    lines.set(folder!, (lines.get(folder!) ?? 0) + count);
  }
  return lines;
}

function total(lines: ReadonlyMap<string, number>): ReadonlyMap<string, number> {
  return lines.size === 0 ? lines : new Map([["src", [...lines.values()].reduce((sum, count) => sum + count, 0)]]);
}

function print(name: string, lines: ReadonlyMap<string, number>, earlier: ReadonlyMap<string, number>): void {
  const count = lines.get(name) ?? 0;
  const change = count - (earlier.get(name) ?? 0);
  const since = earlier.size === 0 ? "" : `   ${change > 0 ? "+" : ""}${change} since ${commit}`;
  console.log(`${name.padEnd(12)} ${String(count).padStart(6)}${since}`);
}
