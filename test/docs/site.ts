/**
 * Builds the documentation's site: a reference of every public name, and the pages of docs/.
 *
 *   npm run docs                 site/index.html; 1 minute on two quiet cores
 *
 * It fails if a public name has no documentation, a type that one uses is not exported, a link leads nowhere, a function
 * has no `@example`, or an example or a page's code does not compile.
 */
import { copyFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { Application } from "typedoc";
import ts from "typescript";
import { writeBlocks } from "./blocks";
import { compilerOptions, isInternal, publicEntries, publicExports, root } from "./exports";

const out = join(root, "site");
await rm(out, { recursive: true, force: true });

const exports = publicExports();
const bare = exports.filter(({ isFunction, examples }) => isFunction && examples.length === 0);
if (bare.length > 0) throw new Error(`no @example: ${bare.map(({ name }) => name).join(", ")}`);
const blocks = await writeBlocks(join(out, "blocks"), exports);
const errors = errorsIn(blocks);
if (errors.length > 0) throw new Error(ts.formatDiagnostics(errors, ts.createCompilerHost({})));
await rm(join(out, "blocks"), { recursive: true });
console.log(`${exports.length} public names; ${blocks.length} examples and blocks of code compile`);

const app = await Application.bootstrap({
  entryPoints: publicEntries.map(([, file]) => file),
  // The compiler looked already.
  skipErrorChecking: true,
  name: "rise-ts",
  readme: join(root, "README.md"),
  projectDocuments: [join(root, "docs/*.md"), join(root, "CHANGELOG.md")],
  excludeInternal: true,
  excludePrivate: true,
  disableSources: true,
  requiredToBeDocumented: ["Function", "Class", "Interface", "TypeAlias", "Variable", "Enum"],
  validation: { notExported: true, invalidLink: true, notDocumented: true },
  treatValidationWarningsAsErrors: true,
  intentionallyNotExported: [
    // Lists whose members a type names.
    "boxFormats",
    "denominators",
    "dtypes",
    "fields",
    "lossTypes",
    "presets",
    // How a compiler tells that a text has its placeholders.
    "FittingTexts",
  ],
  out,
});
const project = await app.convert();
if (!project) throw new Error("typedoc converted nothing");
for (const module of project.children ?? []) {
  for (const child of [...(module.children ?? [])]) if (isInternal(child.name)) project.removeReflection(child);
  const path = module.name === "public-types" ? "types" : module.name;
  module.name = path === "index" ? "rise-ts" : `rise-ts/${path}`;
}
app.validate(project);
await app.generateOutputs(project);
await copyFile(join(root, "llms.txt"), join(out, "llms.txt"));
if (app.logger.hasErrors()) process.exitCode = 1;

/** What the compiler finds in these files, with the options that most programs have; the library's own are stricter. */
function errorsIn(files: readonly string[]): ts.Diagnostic[] {
  const options = {
    ...compilerOptions(),
    noUncheckedIndexedAccess: false,
    exactOptionalPropertyTypes: false,
    verbatimModuleSyntax: false,
  };
  const program = ts.createProgram(files, options);
  const sources = program.getSourceFiles().filter(({ fileName }) => files.includes(fileName));
  return sources.flatMap((file) => [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)]);
}
