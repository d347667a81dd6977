import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const source = fileURLToPath(new URL("../src", import.meta.url));
const root = dirname(source);

const base = ["types", "errors", "rng", "shown", "choice", "options", "schema-words"];
/** What a file is, and images as they come from one: effects, and no computing. */
const files = ["file-kind", "image-file"];
const interfaces = ["tasks/task", "backends/backend", "trainers/trainer", "datasets/dataset"];
const method = ["prompts", "checks", "similarity", "tasks", "reward", "grpo", "metrics", "filter", "cots", "audit"];

/** What each part of `src/` may import besides itself: folders, or single files. The table is the design. */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  types: [],
  errors: [],
  rng: [],
  shown: [],
  choice: ["errors", "shown"],
  nearest: [],
  "schema-words": [],
  options: ["errors", "nearest", "shown"],
  checksums: [],
  "file-kind": [],
  "image-file": ["types", "errors", "file-kind"],
  // Method: pure and synchronous.
  grpo: base,
  prompts: base,
  checks: base,
  similarity: base,
  tasks: [...base, "prompts", "checks", "similarity"],
  filter: base,
  cots: [...base, "tasks/task", "checks", "filter"],
  reward: [...base, "tasks/task", "checks", "similarity"],
  metrics: [...base, "similarity"],
  audit: [...base, "tasks/task"],
  // Compute: effects and native code.
  remote: base,
  onnx: base,
  optim: base,
  models: [...base, ...files, "nearest", "onnx", "remote", "backends/backend", "prompts/check-prompt"],
  backends: [...base, ...files, "nearest", "onnx", "remote", "models", "prompts/template", "prompts/check-prompt"],
  trainers: [...base, "checksums", "backends/backend", "grpo", "models", "optim", "onnx"],
  // They export what stage 2 learns from, with the pixels that the model would see.
  datasets: [...base, ...files, "tasks/task", "similarity", "checks/think-answer", "cots", "models/qwen2-vl/image"],
  // Above both.
  // Pages are made of the report's parts, of which the report is made as well.
  pipelines: [
    ...base,
    "checksums",
    ...interfaces,
    ...method,
    "report/views",
    "report/image",
    "report/style",
    "report/escape",
    "report/plots",
  ],
  testing: [...base, "backends/backend", "trainers/trainer", "trainers/forward-backward"],
  report: [...base, ...files, ...interfaces, ...method, "pipelines"],
  cli: [...base, ...interfaces, ...method, "pipelines", "report", "backends", "trainers", "datasets", "models", "onnx"],
  index: [...base, ...interfaces, ...method, "pipelines"],
};

interface Module {
  readonly statics: readonly string[];
  /** Those of `statics` that are more than types, so that they are there when the program runs. */
  readonly runtime: readonly string[];
  readonly dynamics: readonly string[];
}

const modules = readModules();

describe("the layers", () => {
  it("have a place for every file", () => {
    expect([...modules.keys()].filter((name) => mayImport[partOf(name)] === undefined)).toEqual([]);
  });

  it("import only what lies below them", () => {
    const wrong = [...modules].flatMap(([name, { statics }]) =>
      statics
        .filter((imported) => modules.has(imported) && partOf(imported) !== partOf(name))
        .filter(
          (imported) => !mayImport[partOf(name)]?.some((allowed) => [imported, partOf(imported)].includes(allowed)),
        )
        .map((imported) => `${name} imports ${imported}`),
    );
    expect(wrong).toEqual([]);
  });

  it("have no cycle of imports that run", () => {
    expect(findCycle()).toBeUndefined();
  });

  it("resolve every relative import", () => {
    const missing = [...modules].flatMap(([name, { statics, dynamics }]) =>
      [...statics, ...dynamics].filter((imported) => imported.startsWith("./missing/")).map((at) => `${name}: ${at}`),
    );
    expect(missing).toEqual([]);
  });

  it.each([
    ["onnxruntime-node", "onnx/runtime.ts"],
    ["@huggingface/transformers", "models/tokenizing/sandbox.ts"],
  ])("resolve %s in one file, and load it in no thread of the caller's", (specifier, place) => {
    const resolving = readdirSync(source, { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".ts"))
      .filter((file) => new RegExp(`\\(\\s*"${specifier}["/]`).test(readFileSync(join(source, file), "utf8")));
    expect(resolving.map((file) => file.replaceAll("\\", "/"))).toEqual([place]);
    expect(importersOf(specifier)).toEqual([]);
  });

  it("reach the other native packages by dynamic import only, so that nobody loads what they do not use", () => {
    for (const specifier of ["@huggingface/hub", "sharp"]) {
      expect(importersOf(specifier)).not.toEqual([]);
      expect([...modules].filter(([, { runtime }]) => runtime.includes(specifier)).map(([name]) => name)).toEqual([]);
    }
  });

  it("hold their interfaces in three small files that import no more than types", () => {
    for (const name of interfaces) {
      const text = readFileSync(join(source, `${name}.ts`), "utf8");
      expect(text.match(/^import (?!type)/gm)).toBeNull();
      expect(text.split("\n").length).toBeLessThanOrEqual(60);
    }
  });
});

describe("importing rise-ts", () => {
  it("reaches no native package, as its imports show", () => {
    const reached = new Set<string>();
    const visit = (name: string) => {
      if (reached.has(name)) return;
      reached.add(name);
      for (const imported of modules.get(name)?.statics ?? []) visit(imported);
    };
    visit("index");
    const packages = [...reached].filter((name) => !modules.has(name) && !name.startsWith("node:")).sort();
    expect(packages).toEqual(["ml-matrix", "munkres-js", "zod"]);
  });

  it("loads no native library, as the process shows", () => {
    expect(nativeLibraries("./src/index.ts")).toEqual([]);
    // The same question has another answer for a package that is one.
    expect(nativeLibraries("sharp").length).toBeGreaterThan(0);
  });
});

/** Every file of `src/` by its path without extension, and what it imports: such paths, or packages. */
function readModules(): ReadonlyMap<string, Module> {
  const files = readdirSync(source, { recursive: true, encoding: "utf8" }).map((file) => file.replaceAll("\\", "/"));
  const names = new Set(files.flatMap((file) => /^(.*?)(?:\.d)?\.ts$/.exec(file)?.[1] ?? []));
  const resolve = (from: string, specifier: string) => {
    if (!specifier.startsWith(".")) return specifier;
    const path = normalize(join(dirname(from), specifier)).replaceAll("\\", "/");
    return [path, `${path}/index`].find((candidate) => names.has(candidate)) ?? `./missing/${path}`;
  };
  return new Map(
    [...names].map((name) => {
      const file = files.find((candidate) => [`${name}.ts`, `${name}.d.ts`].includes(candidate))!;
      const text = readFileSync(join(source, file), "utf8");
      const all = (pattern: RegExp) => [...text.matchAll(pattern)].map(([, specifier]) => resolve(name, specifier!));
      return [
        name,
        {
          statics: all(/^(?:import|export|\}).*?\bfrom "([^"]+)";$/gm),
          runtime: all(/^(?:import|export)(?! type)[^;]*?\bfrom "([^"]+)";$/gm),
          dynamics: all(/\bimport\("([^"]+)"\)/g),
        },
      ];
    }),
  );
}

/** The folder a file belongs to, or the file itself at the top. */
function partOf(name: string): string {
  return name.split("/")[0]!;
}

function importersOf(specifier: string): string[] {
  return [...modules]
    .filter(([, { statics, dynamics }]) => [...statics, ...dynamics].includes(specifier))
    .map(([name]) => name);
}

function findCycle(): string | undefined {
  const finished = new Set<string>();
  const visit = (name: string, path: readonly string[]): string | undefined => {
    if (path.includes(name)) return [...path.slice(path.indexOf(name)), name].join(" → ");
    if (finished.has(name)) return undefined;
    for (const imported of modules.get(name)?.runtime ?? []) {
      const cycle = visit(imported, [...path, name]);
      if (cycle) return cycle;
    }
    finished.add(name);
    return undefined;
  };
  for (const name of modules.keys()) {
    const cycle = visit(name, []);
    if (cycle) return cycle;
  }
  return undefined;
}

/** Shared libraries below node_modules that a process has loaded after importing `specifier`. */
function nativeLibraries(specifier: string): string[] {
  const script = `await import(${JSON.stringify(specifier)});
    console.log(JSON.stringify(process.report.getReport().sharedObjects))`;
  const output = execFileSync(process.execPath, ["--import", "tsx", "--input-type=module", "-e", script], {
    cwd: root,
    encoding: "utf8",
  });
  const libraries = JSON.parse(output) as string[];
  // The TypeScript loader itself brings none into the process.
  return libraries.filter((library) => library.includes("node_modules"));
}
