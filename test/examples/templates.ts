/**
 * Tries each template as a stranger does: copied alone into an empty folder, with the packed package installed, it is type-checked and run.
 *
 *   npm run templates -- rise-ts-0.1.0.tgz
 */
import { execFile } from "node:child_process";
import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);

export interface Template {
  /** The file or the folder that is copied. */
  readonly copy: string;
  /** The arguments of tsx, and a line of what it then prints; without them, the template needs a server or PyTorch, and is only type-checked. */
  readonly command?: readonly string[];
  readonly prints?: RegExp;
}

/** The examples that are templates. */
export const templates: readonly Template[] = [
  { copy: "01-check-a-cot.ts", command: ["01-check-a-cot.ts"], prints: /similarity 0\.990, reward 0\.990/ },
  { copy: "02-score-a-group.ts", command: ["02-score-a-group.ts"], prints: /mean reward 0\.50/ },
  { copy: "03-grpo-in-one-file.ts", command: ["03-grpo-in-one-file.ts", "2"], prints: /step 2 {2}reward \d/ },
  { copy: "04-rise-cot.ts", command: ["04-rise-cot.ts", "1"], prints: /of 16 cots reach τ/ },
  { copy: "05-own-task.ts", command: ["05-own-task.ts"], prints: /2 of 2 cots reach τ/ },
  { copy: "own-task", command: ["--test", "own-task/laws.ts"], prints: /fail 0/ },
  { copy: "server" },
  { copy: "browser" },
  { copy: "scale", command: ["scale/three-trainers.ts", "onnx", "1"], prints: /step 1 {2}reward \d/ },
];

const settings = {
  compilerOptions: {
    module: "ESNext",
    moduleResolution: "Bundler",
    target: "ES2022",
    lib: ["ES2023"],
    types: ["node"],
    strict: true,
    noEmit: true,
    skipLibCheck: true,
  },
};

async function main(tarball: string): Promise<void> {
  const installed = await mkdtemp(join(tmpdir(), "rise-templates-"));
  // A cache of its own, as on a new machine.
  const env = { ...process.env, HF_ASSETS_CACHE: join(installed, "cache"), npm_config_ignore_scripts: "false" };
  await writeFile(join(installed, "package.json"), '{ "private": true, "type": "module" }\n');
  const packages = [resolve(tarball), "tsx", "typescript@5", "@types/node@20"];
  await run("npm", ["install", "--silent", ...packages], { cwd: installed, env });
  await writeFile(join(installed, "tsconfig.json"), JSON.stringify(settings));
  for (const { copy, command, prints } of templates) {
    const place = join(installed, basename(copy));
    await cp(join("examples", copy), place, { recursive: true });
    try {
      await run("npx", ["tsc", "-p", "."], { cwd: installed });
      if (command) {
        const { stdout } = await run("npx", ["tsx", ...command], { cwd: installed, env });
        if (!prints!.test(stdout)) throw new Error(`expected ${prints}, got ${stdout}`);
      }
      console.log(`ok    ${copy}${command ? "" : " (type-checked only)"}`);
    } catch (error) {
      process.exitCode = 1;
      const { stdout = "", message } = error as Error & { stdout?: string };
      console.log(`FAIL  ${copy}: ${stdout || message}`);
    }
    await rm(place, { recursive: true });
  }
  await rm(installed, { recursive: true });
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const [tarball] = process.argv.slice(2);
  if (tarball === undefined) throw new Error("expected the packed package: npm run templates -- rise-ts-0.1.0.tgz");
  await main(tarball);
}
