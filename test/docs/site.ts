/**
 * Builds the documentation's site: a reference of every public name, and the pages of docs/.
 *
 *   npm run docs                 site/index.html; 1 minute on two quiet cores
 *
 * It fails if a public name has no documentation, a type that one uses is not exported, a link leads nowhere, a function
 * has no `@example`, an example or a page's code does not compile, or typedoc warns of anything.
 */
import { copyFile, cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Application } from "typedoc";
import ts from "typescript";
import { withLinks } from "../package/pack";
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

const pages = await stagedPages();
const app = await Application.bootstrap({
  entryPoints: publicEntries.map(([, file]) => file),
  // The compiler looked already.
  skipErrorChecking: true,
  name: "rise-ts",
  readme: join(pages, "README.md"),
  projectDocuments: [join(pages, "docs/*.md"), join(pages, "CHANGELOG.md")],
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
await rm(pages, { recursive: true });
if (app.logger.hasErrors() || app.logger.hasWarnings()) process.exitCode = 1;

/** Copies of the pages, whose links to the source and to its folders lead to the repository. */
async function stagedPages(): Promise<string> {
  const staged = await mkdtemp(join(tmpdir(), "rise-pages-"));
  await mkdir(join(staged, "docs"));
  await cp(join(root, "docs/images"), join(staged, "docs/images"), { recursive: true });
  const texts = ["README.md", "CHANGELOG.md", ...(await filesIn("docs")).filter((file) => file.endsWith(".md"))];
  const known = new Set([...texts, ...(await filesIn("docs/images"))]);
  const { homepage } = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
  const repository = `${homepage.split("#")[0]}/blob/main`;
  for (const file of texts)
    await writeFile(join(staged, file), withLinks(await readFile(join(root, file), "utf8"), file, known, repository));
  return staged;
}

async function filesIn(folder: string): Promise<string[]> {
  return (await readdir(join(root, folder))).map((name) => `${folder}/${name}`);
}

/** The compiler's findings in these files, with the options that most programs have; the library's own are stricter. */
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
