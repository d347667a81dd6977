import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const source = fileURLToPath(new URL("../src", import.meta.url));
const root = dirname(source);

/** The house: a room is a folder of `src/`, or a file at its top. A room may import from the floors below its own, types included. */
const floors: readonly (readonly string[])[] = [
  // Nouns.
  ["errors", "types"],
  ["rng", "rollouts", "dataset", "generate-options", "scoring", "options", "files"],
  // The three interfaces.
  ["task", "backend", "events", "terminal"],
  ["trainer"],
  // Method, pure and synchronous: what a text says, and what it is worth.
  ["prompts", "checks/numbers", "similarity"],
  ["checks"],
  ["cots", "reward", "tasks/text", "metrics", "grpo/advantage"],
  ["tasks", "grpo/loss"],
  ["grpo"],
  // Compute: effects and native code.
  ["remote", "onnx/graph", "plan"],
  ["onnx/autodiff", "onnx/runtime"],
  ["onnx", "optim"],
  ["models/files", "models/inputs/tokenizing"],
  ["models/hub", "models/parts"],
  ["models/families/qwen2"],
  [
    "models/families/qwen2-vl",
    "models/families/qwen2-5-vl",
    "models/families/qwen3-vl",
    "models/inputs",
    "models/checkpoint",
  ],
  ["models"],
  ["engine"],
  ["engine/graphs", "engine/checkpoint"],
  ["engine/memory"],
  ["engine/training", "engine/sampling"],
  ["models/qwen2-vl", "export"],
  // Data, and what can be sampled or trained.
  ["datasets/reading"],
  ["datasets/formats"],
  ["datasets/coco-files"],
  ["datasets", "backends/remote", "backends/transformers-js"],
  ["backends/openai"],
  ["trainers/workers"],
  ["backends/vllm"],
  ["backends", "trainers"],
  ["testing/laws"],
  ["testing/contracts"],
  ["testing"],
  // Runs, their pages, and the two stages over both.
  ["runs/examples", "runs/directory"],
  ["runs"],
  ["runs/progress"],
  ["evaluation", "reward-server"],
  ["report/elements"],
  ["report/reading", "report/client"],
  ["report/sections"],
  ["report"],
  ["rise", "annotation"],
  ["trackers", "publish"],
  ["public-types", "config"],
  ["cli/frame"],
  ["cli/inputs", "cli/results", "cli/machine"],
  ["cli/stages"],
  ["index", "cli"],
];

/** Above `method` they see the interfaces only: a pipeline names no model, no backend and no trainer. */
const sees = {
  pipelines: ["runs", "runs/examples", "runs/directory", "runs/progress", "evaluation", "rise"],
  not: ["models", "engine", "onnx", "backends", "trainers", "datasets", "optim"],
};

const interfaces = ["task", "backend", "trainer", "dataset"];

interface Module {
  readonly statics: readonly string[];
  /** Those of `statics` that are more than types, so that they are there when the program runs. */
  readonly runtime: readonly string[];
  readonly dynamics: readonly string[];
}

const modules = readModules();

describe("the layers", () => {
  it("have a place for every room", () => {
    const rooms = [...new Set([...modules.keys()].map(roomOf))].sort();
    expect(floors.flat().sort()).toEqual(rooms);
  });

  it("hold at most thirteen files", () => {
    const wide = floors
      .flat()
      .filter((room) => [...modules.keys()].filter((name) => roomOf(name) === room).length > 13);
    expect(wide).toEqual([]);
  });

  it("import only from floors below, types included", () => {
    const floorOf = new Map(floors.flatMap((rooms, floor) => rooms.map((room) => [room, floor] as const)));
    const wrong = importsBetweenRooms().filter(
      ([name, imported]) => floorOf.get(roomOf(imported))! >= floorOf.get(roomOf(name))!,
    );
    expect(wrong.map((pair) => pair.join(" imports "))).toEqual([]);
  });

  it("know interfaces only where the method runs", () => {
    const wrong = importsBetweenRooms().filter(
      ([name, imported]) => sees.pipelines.includes(roomOf(name)) && sees.not.includes(imported.split("/")[0]!),
    );
    expect(wrong.map((pair) => pair.join(" imports "))).toEqual([]);
  });

  it("have no ring of imports, types included", () => {
    expect(findRing()).toBeUndefined();
  });

  it("resolve every relative import", () => {
    const missing = [...modules].flatMap(([name, { statics, dynamics }]) =>
      [...statics, ...dynamics].filter((imported) => imported.startsWith("./missing/")).map((at) => `${name}: ${at}`),
    );
    expect(missing).toEqual([]);
  });

  it.each([
    ["onnxruntime-node", ["onnx/runtime/installation.ts"], []],
    // The backend of this name computes where its library does, in the caller's thread.
    [
      "@huggingface/transformers",
      ["backends/transformers-js/library.ts", "models/inputs/tokenizing/sandbox.ts"],
      ["backends/transformers-js/library"],
    ],
  ])("name %s in few files, and load it in the caller's thread for its own backend only", (specifier, files, by) => {
    const naming = readdirSync(source, { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".ts"))
      .filter((file) => new RegExp(`\\(\\s*"${specifier}["/]`).test(readFileSync(join(source, file), "utf8")));
    expect(naming.map((file) => file.replaceAll("\\", "/")).sort()).toEqual(files);
    expect(importersOf(specifier)).toEqual(by);
    expect([...modules].filter(([, { statics }]) => statics.includes(specifier))).toEqual([]);
  });

  it("reach the other native packages by dynamic import only, so that nobody loads what they do not use", () => {
    for (const specifier of ["@huggingface/hub", "sharp"]) {
      expect(importersOf(specifier)).not.toEqual([]);
      expect([...modules].filter(([, { runtime }]) => runtime.includes(specifier)).map(([name]) => name)).toEqual([]);
    }
  });

  it("hold their interfaces in small files that import no more than types", () => {
    for (const name of interfaces) {
      const text = readFileSync(join(source, `${name}.ts`), "utf8");
      expect(text.match(/^import (?!type)/gm)).toBeNull();
      expect(text.split("\n").length).toBeLessThanOrEqual(45);
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

/** The folder a file lies in, or the file itself at the top. */
function roomOf(name: string): string {
  return name.includes("/") ? dirname(name) : name;
}

function importsBetweenRooms(): (readonly [name: string, imported: string])[] {
  return [...modules].flatMap(([name, { statics }]) =>
    statics
      .filter((imported) => modules.has(imported) && roomOf(imported) !== roomOf(name))
      .map((imported) => [name, imported] as const),
  );
}

function importersOf(specifier: string): string[] {
  return [...modules]
    .filter(([, { statics, dynamics }]) => [...statics, ...dynamics].includes(specifier))
    .map(([name]) => name);
}

function findRing(): string | undefined {
  const finished = new Set<string>();
  const visit = (name: string, path: readonly string[]): string | undefined => {
    if (path.includes(name)) return [...path.slice(path.indexOf(name)), name].join(" → ");
    if (finished.has(name)) return undefined;
    for (const imported of modules.get(name)?.statics ?? []) {
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
