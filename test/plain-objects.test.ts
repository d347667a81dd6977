import { readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import ts from "typescript";
import { describe, expect, it } from "vitest";

/** Words that every plain object has, whatever was put into it. */
const inherited = ["constructor", "toString", "hasOwnProperty", "__proto__"];

describe("plain objects in src", () => {
  it("are read by words of a text only after Object.hasOwn, since every object has a constructor", {
    timeout: 120_000,
  }, () => {
    expect(inherited.every((word) => word in {})).toBe(true);
    const found = unguardedReads("tsconfig.json").filter((place) => !known.some((start) => place.startsWith(start)));
    expect(found).toEqual([]);
  });
});

/** Reads whose keys no text decides, and what decides them. */
const known: readonly string[] = [
  // Names of arguments and fields that this code lists.
  "src/options/arguments.ts:",
  // Names of options of a spec.
  "src/rise/pipeline.ts: known[name]",
  // Keys of config.json that a family's table of fields lists.
  "src/models/families/qwen2/fields.ts:",
  "src/models/families/qwen2/vision.ts: stored[",
  // Inputs that `visionTables` of the same file names.
  "src/models/families/qwen2-5-vl/vision.ts: tables[",
  // Names of metrics that this code lists.
  "src/runs/guards.ts: row[metric]",
  "src/report/sections/curves.ts: row[name]",
  "src/report/progress.ts: metrics[name]",
  // `template` has refused every placeholder that it does not know.
  "src/prompts/template.ts: values[part]",
  // Names of inputs and outputs that this code gave to a graph.
  "src/onnx/runtime/session.ts:",
  "src/engine/sampling/generate.ts: outputs[name]",
  "src/engine/training/pass.ts: outputs[name]",
  // `readJsonElements` gives elements of the lists that it was asked for.
  "src/datasets/coco-files/index-file.ts: readers[key]",
  // Settings of an adapter or an optimiser that this code lists.
  "src/engine/checkpoint/peft.ts: json[key]",
  "src/optim/threads.ts: last.scalars[name]",
  // Names of metrics that this code lists, or that an evaluation's own metrics have.
  "src/runs/progress/words.ts: metrics[name]",
  "src/publish/card.ts:",
  "src/cli/results/evaluate-policy.ts: intervals[name]",
  "src/cli/results/write-report.ts:",
  "src/cli/stages/demo.ts: after.metrics[metric]",
  // Names of a model's inputs, of a worker's rows and of Python's packages that this code lists.
  "src/backends/transformers-js/images.ts: one[key]",
  "src/trainers/workers/",
  // Names that a schema has accepted, or that this code lists: of options, data formats, flags.
  "src/config/engines.ts: trainer[name]",
  "src/config/names.ts: table[name]",
  "src/config/spec.ts: dataFormats[data]",
  "src/config/data.ts: dataFormats[String(format)]",
  "src/config/read.ts:",
  "src/cli/inputs/config-text.ts:",
  "src/cli/frame/flags.ts:",
  "src/cli/program.ts: texts[name]",
  // Columns of a file's rows, which all have the same, and endings of file names, which begin with a dot.
  "src/cli/inputs/look-at-parquet.ts:",
  "src/cli/inputs/look.ts: looks[extname(",
  // The environment has texts only.
  "src/config/engines.ts: process.env[",
];

/** `file: expression` of every read of an object by a key of which the compiler knows only that it is a string. */
function unguardedReads(config: string): string[] {
  const root = dirname(ts.sys.resolvePath(config));
  const { options } = ts.parseJsonConfigFileContent(JSON.parse(readFileSync(config, "utf8")), ts.sys, root);
  const files = ts.sys.readDirectory(join(root, "src"), [".ts"]);
  const program = ts.createProgram(files, options);
  const checker = program.getTypeChecker();
  const places: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isElementAccessExpression(node) && !isWritten(node) && isByWord(node, checker) && !isGuarded(node))
      places.push(`${relative(root, node.getSourceFile().fileName)}: ${node.getText()}`);
    ts.forEachChild(node, visit);
  };
  for (const file of program.getSourceFiles()) if (files.includes(file.fileName)) visit(file);
  return places;
}

/** Whether the key is any string at all, and the object one without a number index, as lists and texts have. */
function isByWord({ expression, argumentExpression }: ts.ElementAccessExpression, checker: ts.TypeChecker): boolean {
  const key = checker.getTypeAtLocation(argumentExpression);
  const isWord = (key.flags & (ts.TypeFlags.String | ts.TypeFlags.TemplateLiteral)) !== 0;
  const object = checker.getTypeAtLocation(expression);
  return isWord && !checker.isArrayLikeType(object);
}

const isWritten = (node: ts.Node): boolean =>
  ts.isBinaryExpression(node.parent) &&
  node.parent.left === node &&
  node.parent.operatorToken.kind === ts.SyntaxKind.EqualsToken;

/** Whether the function around it asks `Object.hasOwn` of the same object and key. */
function isGuarded(node: ts.ElementAccessExpression): boolean {
  let around: ts.Node = node;
  while (around.parent && !ts.isFunctionLike(around)) around = around.parent;
  const text = around.getText().replace(/\s+/g, "");
  return text.includes(
    `Object.hasOwn(${node.expression.getText()},${node.argumentExpression.getText()})`.replace(/\s+/g, ""),
  );
}
