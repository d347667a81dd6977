import { execFile } from "node:child_process";
import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join, posix } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../..", import.meta.url));

/**
 * Builds the library and packs it into `folder`. In pages, links to files that the package lacks lead to the repository.
 * `npm publish` takes the tarball.
 * @returns the tarball's path
 */
export async function pack(folder: string): Promise<string> {
  await run("npm", ["run", "--silent", "build"], { cwd: root });
  const [{ files }] = JSON.parse((await run("npm", ["pack", "--dry-run", "--json"], { cwd: root })).stdout);
  const packed = new Set<string>((files as readonly { readonly path: string }[]).map(({ path }) => path));
  const { homepage } = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
  const repository = `${homepage.split("#")[0]}/blob/main`;
  const staged = join(folder, "staged");
  for (const path of packed) {
    await mkdir(dirname(join(staged, path)), { recursive: true });
    await cp(join(root, path), join(staged, path));
    if (!path.endsWith(".md")) continue;
    const text = await readFile(join(root, path), "utf8");
    await writeFile(join(staged, path), withLinks(text, path, packed, repository));
  }
  const [{ filename }] = JSON.parse(
    (await run("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", folder], { cwd: staged })).stdout,
  );
  return join(folder, filename);
}

/** A page whose links to files outside of `packed` lead to `repository`. */
export function withLinks(text: string, page: string, packed: ReadonlySet<string>, repository: string): string {
  return text.replace(/\]\((?!\w+:|#)([^()\s]+)\)/g, (link, target: string) => {
    const [path, ...heading] = target.split("#");
    const file = posix.join(posix.dirname(page), path!);
    return packed.has(file) ? link : `](${[`${repository}/${file}`, ...heading].join("#")})`;
  });
}
