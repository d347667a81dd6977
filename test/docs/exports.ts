import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { entries } from "../../tsup.config";

export const root = join(dirname(fileURLToPath(import.meta.url)), "../..");

/** `rise-ts/<name>` and its source, for each entry that a program can import. */
export const publicEntries: readonly (readonly [specifier: string, file: string])[] = Object.entries(entries)
  .filter(([name]) => name !== "cli/main")
  .map(([name, file]) => [name === "index" ? "rise-ts" : `rise-ts/${name}`, join(root, file)]);

export function compilerOptions(): ts.CompilerOptions {
  const { config } = ts.readConfigFile(join(root, "tsconfig.json"), ts.sys.readFile);
  return ts.parseJsonConfigFileContent(config, ts.sys, root).options;
}

/** Schemas of options are exported for the commands, and are no part of the interface. */
export const isInternal = (name: string) => name.endsWith("Spec");

export interface PublicExport {
  readonly name: string;
  readonly specifier: string;
  readonly isFunction: boolean;
  readonly examples: readonly string[];
}

/** Everything that the package exports, once: where it is first exported, so from the root if it is there. */
export function publicExports(): PublicExport[] {
  const program = ts.createProgram(
    publicEntries.map(([, file]) => file),
    compilerOptions(),
  );
  const checker = program.getTypeChecker();
  const found = new Map<ts.Symbol, PublicExport>();
  for (const [specifier, file] of publicEntries) {
    const module = checker.getSymbolAtLocation(program.getSourceFile(file)!)!;
    for (const exported of checker.getExportsOfModule(module)) {
      const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported;
      if (found.has(symbol)) continue;
      const tags = symbol.getJsDocTags(checker);
      if (isInternal(exported.name) || tags.some(({ name }) => name === "internal")) continue;
      found.set(symbol, {
        name: exported.name,
        specifier,
        isFunction: isFunction(symbol, checker),
        examples: tags.filter(({ name }) => name === "example").map(({ text }) => ts.displayPartsToString(text)),
      });
    }
  }
  return [...found.values()];
}

function isFunction(symbol: ts.Symbol, checker: ts.TypeChecker): boolean {
  const isValue = (symbol.flags & ts.SymbolFlags.Value) !== 0;
  return isValue && checker.getTypeOfSymbol(symbol).getCallSignatures().length > 0;
}
