import { execSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { basename, dirname, join } from "node:path";
import { BackendError } from "../errors";
import { isRunning } from "./whole-folder";

/** Names of packages, each with the range of its versions. */
export type Dependencies = Readonly<Record<string, string>>;

/** Hugging Face's folder for files that libraries derive from others, and in it the part of this one. */
export const assetsFolder = (): string =>
  join(
    process.env.HF_ASSETS_CACHE ?? join(process.env.HF_HOME ?? join(homedir(), ".cache", "huggingface"), "assets"),
    "rise-ts",
  );

/**
 * A folder of the cache whose `node_modules` holds `dependencies`; installs them when they are missing, which a line on
 * stderr says. npm leaves an optional package out when its install script fails, as the script of onnxruntime-node does
 * where it cannot reach nuget.org; here no script runs.
 * @throws BackendError when npm fails, with its first lines and the command that installs them in a project
 */
export function cachedPackages(dependencies: Dependencies, cache: string = assetsFolder()): string {
  const state = JSON.stringify([dependencies, process.platform, process.arch]);
  const folder = join(cache, `packages-${createHash("sha256").update(state).digest("hex").slice(0, 16)}`);
  if (!existsSync(folder)) install(dependencies, folder);
  return folder;
}

const command = "npm install --ignore-scripts --no-audit --no-fund --loglevel=error";

/** Installs beside `folder`, and renames when all is there, so that a process that is killed leaves no half of it. */
function install(dependencies: Dependencies, folder: string): void {
  const specifiers = Object.entries(dependencies).map(([name, range]) => `${name}@${range}`);
  process.stderr.write(
    `rise-ts: npm left optional packages out; rise-ts installs ${specifiers.join(" and ")} without scripts into ${folder}, once\n`,
  );
  const partial = `${folder}.${process.pid}.partial`;
  removeUnfinished(folder);
  const settings = join(partial, ".npmrc");
  try {
    mkdirSync(partial, { recursive: true });
    writeFileSync(join(partial, "package.json"), JSON.stringify({ private: true, dependencies }));
    // The project's registry, and its token, which do not stay in the cache.
    const own = join(process.cwd(), ".npmrc");
    if (existsSync(own)) writeFileSync(settings, readFileSync(own), { mode: 0o600 });
    execSync(command, { cwd: partial, stdio: ["ignore", "ignore", "pipe"], env: environment() });
    rmSync(settings, { force: true });
    renameSync(partial, folder);
  } catch (cause) {
    rmSync(partial, { recursive: true, force: true });
    // Another process may have installed them meanwhile.
    if (existsSync(folder)) return;
    const lines = String((cause as { stderr?: Buffer }).stderr ?? cause).split("\n");
    const said = lines.flatMap((line) => line.replace(/^npm (?:error|ERR!)/, "").trim() || []).slice(0, 4);
    throw new BackendError(
      `${specifiers.join(", ")}: expected installed packages, got none, and npm could not install them: ` +
        `${said.join(", ")}; run npm install --ignore-scripts ${specifiers.join(" ")}`,
      { cause, scope: "backend" },
    );
  }
}

/** Removes folders that dead processes began beside `folder`: each may weigh as much as the whole. */
function removeUnfinished(folder: string): void {
  const parent = dirname(folder);
  for (const name of existsSync(parent) ? readdirSync(parent) : []) {
    const pid = name.startsWith(`${basename(folder)}.`) ? /\.(\d+)\.partial$/.exec(name)?.[1] : undefined;
    if (pid !== undefined && !isRunning(Number(pid))) rmSync(join(parent, name), { recursive: true, force: true });
  }
}

/** Without the settings by which npm tells a program that it runs, such as `npx`, of another folder. */
const environment = (): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(process.env).filter(([name]) => !places.includes(name.toLowerCase())));

const places = ["npm_config_global", "npm_config_local_prefix", "npm_config_prefix", "npm_config_workspace"];
