/**
 * Checks the package as a program meets it: packed, installed into an empty folder, and used.
 *
 *   npm run test:package         with the Node that runs it; 3 minutes on two quiet cores, and npm's registry
 */
import { execFile } from "node:child_process";
import { lstat, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { writeBlocks } from "../docs/blocks";
import { publicEntries, publicExports } from "../docs/exports";
import { checkpointDir, imagePath } from "../models/reference";
import { checkBundlers, webpack } from "./bundlers";
import { pack } from "./pack";

/** A program of a user, which prints "true". */
const annotating = `import { annotate, classification } from "rise-ts";
  import { onnxBackend } from "rise-ts/backends/onnx";
  const backend = await onnxBackend({ model: ${JSON.stringify(checkpointDir)}, device: "cpu" });
  const task = classification({ labels: ["joy", "fear"] });
  const { failure } = await annotate({ task, image: ${JSON.stringify(imagePath("wide.png"))}, backend, maxTokens: 4 });
  console.log(typeof failure === "string");`;

/** The most that the package may weigh, in bytes: packed, unpacked, and with everything that it depends on. */
const budget = { packed: 9e6, unpacked: 16e6, installed: 580e6 };

const root = fileURLToPath(new URL("../..", import.meta.url));
const folder = await mkdtemp(join(tmpdir(), "rise-package-"));
const consumer = join(folder, "consumer");
const installed = join(consumer, "node_modules/rise-ts");
const exec = promisify(execFile);
// The cache of this run holds the packages that npm leaves out.
const env = { ...process.env, HF_ASSETS_CACHE: join(folder, "cache") };
const run = async (command: string, args: readonly string[], more: NodeJS.ProcessEnv = {}) =>
  (await exec(command, args, { cwd: consumer, maxBuffer: 2 ** 26, env: { ...env, ...more } })).stdout;
const node = (type: "module" | "commonjs", script: string) =>
  run(process.execPath, [`--input-type=${type}`, "-e", script]);
const tool = (path: string, ...args: readonly string[]) =>
  run(process.execPath, [join(root, "node_modules", path), ...args]);
const entries = publicEntries.map(([specifier]) => specifier);

try {
  const tarball = await pack(folder);
  await mkdir(consumer);
  await writeFile(join(consumer, "package.json"), JSON.stringify({ name: "consumer", type: "module", private: true }));
  await check("a plain install without nuget.org, and a model opens", () => checkPlainInstall(tarball));
  await rm(join(consumer, "node_modules"), { recursive: true });
  await run("npm", ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", tarball]);
  const weight = { packed: (await stat(tarball)).size, unpacked: await sizeOf(installed) };
  const whole = { ...weight, installed: await sizeOf(join(consumer, "node_modules")) };
  const { typescript, "@types/node": types } = await devDependencies();
  const compilers = [`typescript@${typescript}`, `@types/node@${types}`, webpack];
  await run("npm", ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", ...compilers]);
  await writeBlocks(join(consumer, "blocks"), publicExports());
  await check("links", checkLinks);
  await check("ES modules and CommonJS export the same names", checkFormats);
  await check("a model opens, annotates, and lets the process end", checkModel);
  await check("the demo's model and images", checkDemo);
  await check("rise-ts --version", () => run(process.execPath, [join(installed, "dist/cli/main.js"), "--version"]));
  await check("TypeScript, nodenext: examples and pages", () => checkTypes("nodenext", "nodenext"));
  await check("TypeScript, bundler: examples and pages", () => checkTypes("esnext", "bundler"));
  await check("bundles", () => checkBundlers(consumer, run, annotating));
  await check("publint", () => tool("publint/src/cli.js", tarball, "--strict"));
  const subpaths = entries.map((specifier) => specifier.replace("rise-ts", "."));
  const attw = [tarball, "--profile", "node16", "--format", "ascii", "--entrypoints", ...subpaths];
  await check("are the types wrong", () => tool("@arethetypeswrong/cli/dist/index.js", ...attw));
  await check("weight", async () => checkWeight(whole));
} finally {
  await rm(folder, { recursive: true });
}

async function check(name: string, work: () => Promise<unknown>): Promise<void> {
  try {
    const found = await work();
    console.log(`ok    ${name}${typeof found === "string" && found.length < 200 ? `: ${found.trim()}` : ""}`);
  } catch (error) {
    const { message, stdout = "" } = error as Error & { stdout?: string };
    console.log(`FAIL  ${name}\n${message}\n${stdout}`);
    process.exitCode = 1;
  }
}

async function checkLinks(): Promise<string> {
  const files = await readdir(installed, { recursive: true });
  const pages = files.filter((file) => file.endsWith(".md"));
  let count = 0;
  for (const page of pages) {
    const text = await readFile(join(installed, page), "utf8");
    for (const [, target] of text.matchAll(/\]\((?!\w+:|#)([^()\s#]+)/g)) {
      count++;
      await stat(join(installed, dirname(page), target!));
    }
  }
  return `${count} in ${pages.length} pages`;
}

async function checkFormats(): Promise<string> {
  const listed = JSON.stringify(entries);
  const names = (load: string) =>
    `(async () => { for (const entry of ${listed}) console.log(entry, Object.keys(${load}).filter((name) => !/^(default|module.exports|__esModule)$/.test(name)).sort().join()); })()`;
  const [esm, cjs] = [
    await node("module", names("await import(entry)")),
    await node("commonjs", names("require(entry)")),
  ];
  if (esm !== cjs) throw new Error(`they differ:\n${esm}\n${cjs}`);
  return `${entries.length} entries, Node ${process.version}`;
}

/** The script of onnxruntime-node meets a proxy that nobody serves, and npm leaves the package out. */
async function checkPlainInstall(tarball: string): Promise<void> {
  const scripts = { npm_config_ignore_scripts: "false", ONNXRUNTIME_NODE_INSTALL: undefined };
  const nothing = { ...scripts, GLOBAL_AGENT_HTTPS_PROXY: "http://127.0.0.1:9" };
  await run("npm", ["install", "--no-audit", "--no-fund", "--prefer-offline", tarball], nothing);
  const packages = await readdir(join(consumer, "node_modules"));
  if (process.platform === "linux" && process.arch === "x64" && packages.includes("onnxruntime-node"))
    throw new Error("expected npm to leave onnxruntime-node out, got it");
  await checkModel();
}

async function checkModel(): Promise<void> {
  const printed = await node("module", annotating);
  if (printed !== "true\n") throw new Error(`expected an answer that four tokens cannot hold, got ${printed}`);
}

function checkDemo(): Promise<string> {
  const script = `import { classification } from "rise-ts";
    import { jsonlDataset } from "rise-ts/datasets/jsonl";
    import { demoFiles } from "rise-ts/testing";
    const { train, test, question } = demoFiles();
    for (const file of [train, test]) console.log((await jsonlDataset(file, classification(question))).length);`;
  return node("module", script);
}

/** Compiles all examples and the code of all pages, with the package's own types checked too. */
async function checkTypes(module: string, moduleResolution: string): Promise<string> {
  const compilerOptions = {
    module,
    moduleResolution,
    target: "es2022",
    lib: ["es2023"],
    types: ["node"],
    strict: true,
    noEmit: true,
  };
  const file = `tsconfig.${moduleResolution}.json`;
  const include = ["blocks", ...(module === "nodenext" ? ["common.cts"] : [])];
  await writeFile(
    join(consumer, "common.cts"),
    'import rise = require("rise-ts");\nexport const { findLeaks } = rise;\n',
  );
  await writeFile(join(consumer, file), JSON.stringify({ compilerOptions, include }));
  await run(process.execPath, ["node_modules/typescript/bin/tsc", "-p", file]);
  return `${(await readdir(join(consumer, "blocks"))).length} files`;
}

function checkWeight(weight: typeof budget): string {
  const over = Object.entries(budget).filter(([name, most]) => weight[name as keyof typeof budget] > most);
  const said = Object.entries(weight).map(([name, bytes]) => `${(bytes / 1e6).toFixed(2)} MB ${name}`);
  if (over.length > 0) throw new Error(`${said.join(", ")}; expected at most ${JSON.stringify(budget)}`);
  return said.join(", ");
}

async function sizeOf(dir: string): Promise<number> {
  const found = await readdir(dir, { recursive: true, withFileTypes: true });
  const sizes = found.filter((entry) => entry.isFile()).map((entry) => lstat(join(entry.parentPath, entry.name)));
  return (await Promise.all(sizes)).reduce((sum, { size }) => sum + size, 0);
}

async function devDependencies(): Promise<Record<string, string>> {
  return JSON.parse(await readFile(join(root, "package.json"), "utf8")).devDependencies;
}
