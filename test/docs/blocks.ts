/**
 * Every `@example` of a public function, and every TypeScript block of README and docs, as a module that a compiler can
 * check: what it uses and does not make is imported from the package, or from given.ts.
 */
import { copyFile, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import ts from "typescript";
import { type PublicExport, root } from "./exports";

interface Block {
  readonly name: string;
  readonly text: string;
  /** Names that it need not import. */
  readonly known: ReadonlyMap<string, string>;
}

/** Writes a module for each block into `dir`, and returns the files that a compiler needs. */
export async function writeBlocks(dir: string, exports: readonly PublicExport[]): Promise<string[]> {
  await mkdir(dir, { recursive: true });
  await copyFile(join(root, "test/docs/given.ts"), join(dir, "given.ts"));
  const given = new Map((await namesGiven()).map((name) => [name, "./given.js"]));
  const named = new Map([...exports.map(({ name, specifier }) => [name, specifier] as const), ...given]);
  const examples = exports.flatMap(({ name, examples }) =>
    examples.map((text, i) => ({ name: `example-${name}-${i}`, text, known: named })),
  );
  const blocks = [...examples, ...(await blocksOfPages(given))];
  // Packages that a reader installs beside this one.
  const files = new Map([["peers.d.ts", 'declare module "vitest";\ndeclare module "@ai-sdk/openai";\n']]);
  for (const block of blocks) files.set(`${block.name}.ts`, moduleOf(block));
  await Promise.all([...files].map(([file, text]) => writeFile(join(dir, file), text)));
  return ["given.ts", ...files.keys()].map((file) => join(dir, file));
}

/** Blocks of pages import what they use, each in itself or in an earlier block of the page. */
async function blocksOfPages(given: ReadonlyMap<string, string>): Promise<Block[]> {
  const files = (await readdir(join(root, "docs"))).filter((file) => file.endsWith(".md"));
  const pages = await Promise.all(
    ["README.md", ...files.map((file) => `docs/${file}`)].map(async (page) => {
      const known = new Map(given);
      return codeBlocks(await readFile(join(root, page), "utf8")).map((text, i) => {
        const block = { name: `${page.replaceAll("/", "-")}-${i}`, text, known: new Map(known) };
        for (const [name, from] of namesImported(text)) known.set(name, from);
        return block;
      });
    }),
  );
  return pages.flat();
}

/** The TypeScript of a page's fenced blocks. */
export function codeBlocks(markdown: string): string[] {
  return [...markdown.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, text]) => text!);
}

function moduleOf({ text, known }: Block): string {
  const { declared, used } = namesIn(text);
  const imports = [...used].filter((name) => !declared.has(name) && known.has(name));
  const lines = imports.map((name) => `import { ${name} } from "${known.get(name)}";`);
  return [...lines, text, "export {};", ""].join("\n");
}

const parsed = (text: string) => ts.createSourceFile("block.ts", text, ts.ScriptTarget.Latest, true);

/** Identifiers that a text makes, and those that it mentions other than as a property. */
function namesIn(text: string): { readonly declared: Set<string>; readonly used: Set<string> } {
  const [declared, used] = [new Set<string>(), new Set<string>()];
  const visit = (node: ts.Node): void => {
    if (ts.isIdentifier(node)) {
      const { parent } = node;
      const isMade =
        (ts.isVariableDeclaration(parent) || ts.isParameter(parent) || ts.isBindingElement(parent)) &&
        parent.name === node;
      const isProperty =
        (ts.isPropertyAccessExpression(parent) || ts.isPropertyAssignment(parent)) && parent.name === node;
      if (isMade || ts.isImportSpecifier(parent)) declared.add(node.text);
      else if (!isProperty) used.add(node.text);
    }
    ts.forEachChild(node, visit);
  };
  visit(parsed(text));
  return { declared, used };
}

function namesImported(text: string): (readonly [name: string, from: string])[] {
  return parsed(text)
    .statements.filter(ts.isImportDeclaration)
    .flatMap(({ importClause, moduleSpecifier }) => {
      const bindings = importClause?.namedBindings;
      const elements = bindings && ts.isNamedImports(bindings) ? bindings.elements : [];
      return elements.map(({ name }) => [name.text, (moduleSpecifier as ts.StringLiteral).text] as const);
    });
}

async function namesGiven(): Promise<string[]> {
  const text = await readFile(join(root, "test/docs/given.ts"), "utf8");
  return [...text.matchAll(/^export (?:declare const (\w+)|\{ (\w+) \})/gm)].map(([, a, b]) => (a ?? b)!);
}
