import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";

/** Runs a command in the folder of the program that the package was installed for, and returns what it prints. */
type Run = (command: string, args: readonly string[]) => Promise<string>;

export const webpack = "webpack@5.113.0";

/** Webpack's configuration, with the settings of a page inside. */
const webpackProgram = (entry: string, target: string, filename: string, settings: string) => `
  import webpack from "webpack";
  const output = { path: process.cwd(), filename: ${JSON.stringify(filename)} };
  const ours = { mode: "production", performance: false, output, ...${JSON.stringify({ entry, target })} };
  webpack({ ...ours, ${settings} }, (error, stats) => {
    if (!error && !stats.hasErrors() && !stats.hasWarnings()) return;
    console.error(error ?? stats.toString({ all: false, errors: true, warnings: true }));
    process.exit(1);
  });`;

/**
 * Bundles a program for Node with the settings that docs/using.md prints, and one of the entries that it names for
 * browsers, and runs what comes out.
 * @param program a program for Node, of ES modules
 */
export async function checkBundlers(consumer: string, run: Run, program: string): Promise<string> {
  const page = await readFile(join(consumer, "node_modules/rise-ts/docs/using.md"), "utf8");
  const [, forWebpack, forEsbuild] = found(page, /`(externals: .*?)` in webpack, `--external:(.*?)` in esbuild/);
  const [, first, others] = found(page, /Browsers run\s`rise-ts\/(\w+)`, ([^.]*)\./);
  const entries = [first!, ...[...others!.matchAll(/`(\w+)`/g)].map(([, name]) => name!)];
  await writeFile(join(consumer, "node.mjs"), program);
  await writeFile(join(consumer, "web.mjs"), webProgram(entries));
  const outputs: [name: string, file: string][] = [];
  for (const [entry, target, settings] of [
    ["./node.mjs", "node20", forWebpack!],
    ["./web.mjs", "web", ""],
  ] as const) {
    const file = `webpack-${target}.cjs`;
    const source = webpackProgram(entry, target, file, settings);
    await run(process.execPath, ["--input-type=module", "-e", source]);
    outputs.push([`webpack, ${target}`, file]);
  }
  for (const platform of ["node", "browser"] as const) {
    const file = `esbuild-${platform}.mjs`;
    await build({
      absWorkingDir: consumer,
      entryPoints: [platform === "node" ? "node.mjs" : "web.mjs"],
      outfile: join(consumer, file),
      ...(platform === "node" && { external: [forEsbuild!] }),
      ...{ bundle: true, platform, format: "esm", logLevel: "error" },
    });
    outputs.push([`esbuild, ${platform}`, file]);
  }
  for (const [name, file] of outputs) await runAlone(run, consumer, name, file);
  return `${outputs.map(([name]) => name).join("; ")}; in browsers ${entries.join(", ")}`;
}

function found(page: string, pattern: RegExp): RegExpMatchArray {
  const match = page.match(pattern);
  if (!match) throw new Error(`docs/using.md: expected ${pattern}, got another sentence; change it here too`);
  return match;
}

/** Uses a name of every entry, so that nothing is shaken off, and finds a leak. */
const webProgram = (entries: readonly string[]) =>
  [
    ...entries.map((entry, i) => `import * as entry${i} from "rise-ts/${entry}";`),
    `const all = { ${entries.map((_, i) => `...entry${i}`).join(", ")} };`,
    'console.log(Object.keys(all).length > 40 && all.findLeaks("80 % joy")[0].text === "80 %");',
  ].join("\n");

/** Runs a bundle, which prints "true"; one for browsers without what Node has. */
async function runAlone(run: Run, consumer: string, name: string, file: string): Promise<void> {
  const url = JSON.stringify(pathToFileURL(join(consumer, file)).href);
  const bare = /web$|browser/.test(name) ? "delete globalThis.process; delete globalThis.Buffer;" : "";
  const printed = await run(process.execPath, ["-e", `${bare} import(${url})`]);
  if (printed.trim() !== "true") throw new Error(`${name}: expected "true", got ${JSON.stringify(printed)}`);
}
