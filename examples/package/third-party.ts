import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** esbuild names the file of every module that it builds in. */
const builtIn = /^\s*\/\/ node_modules\/((?:@[^/\s]+\/)?[^/\s]+)\//gm;

/**
 * Writes THIRD-PARTY.md: the packages whose code a build contains, with their licences.
 * @param modules the folder of the installed packages
 * @returns their names
 */
export async function packLicences(dist: string, modules: string): Promise<readonly string[]> {
  const files = (await readdir(dist, { recursive: true })).filter((name) => /\.c?js$/.test(name));
  const sources = await Promise.all(files.map((name) => readFile(join(dist, name), "utf8")));
  const found = new Set(sources.flatMap((source) => [...source.matchAll(builtIn)].map(([, name]) => name!)));
  const names = [...found].sort();
  const parts = await Promise.all(names.map((name) => describePackage(join(modules, name))));
  const head = "# Code of others\n\nThis folder contains code of these packages, in whole or in part.\n";
  await writeFile(join(dist, "THIRD-PARTY.md"), [head, ...parts].join("\n"));
  return names;
}

async function describePackage(folder: string): Promise<string> {
  const { name, version, license } = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
  const file = (await readdir(folder)).find((each) => /^licen[cs]e(?:\.|$)/i.test(each));
  if (file === undefined) throw new Error(`${folder}: expected a file LICENSE, got none; its code may not be built in`);
  const text = (await readFile(join(folder, file), "utf8")).trim();
  return `## ${name} ${version} (${license})\n\n${text.replace(/^/gm, "    ").replace(/[ \t]+$/gm, "")}\n`;
}
