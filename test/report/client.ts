import { writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

/** The file that holds the page's script, made from src/report/client by `npx tsx test/report/client.ts`. */
export const clientFile = fileURLToPath(new URL("../../src/report/elements/client-script.ts", import.meta.url));

/** Bundles src/report/client into one script, as text of `client-script.ts`. */
export async function clientModule(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL("../../src/report/client/main.ts", import.meta.url))],
    bundle: true,
    minify: true,
    format: "iife",
    target: "es2022",
    write: false,
    charset: "ascii",
  });
  // A page holds the script in an element, which such text would end.
  const script = outputFiles[0]!.text.trim().replaceAll("</", "<\\/");
  return `// biome-ignore-all format: "npx tsx test/report/client.ts" makes this file from src/report/client.\n// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the text is a program.\n\n/** The script of a page. */\nexport const clientScript = ${JSON.stringify(script)};\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await writeFile(clientFile, await clientModule());
