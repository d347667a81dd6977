import { execFileSync } from "node:child_process";
import { mkdir, readdir, readFile, readlink, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ConfigError } from "../../../src/errors";
import { writeAtomically } from "../../../src/runs/directory/files";
import { withFolders } from "../../rise/world";

describe("writeAtomically", () => {
  it.skipIf(process.platform === "win32")("replaces no device, pipe or folder, and leaves nothing beside it", () =>
    withFolders(1, async (folder) => {
      const [device, pipe, dir] = ["device", "pipe", "dir"].map((name) => join(folder!, name));
      await symlink("/dev/null", device!);
      execFileSync("mkfifo", [pipe!]);
      await mkdir(dir!);
      for (const [place, kind] of Object.entries({ [device!]: "a device", [pipe!]: "a pipe", [dir!]: "a folder" })) {
        const refused = writeAtomically(place, "text");
        await expect(refused).rejects.toThrow(ConfigError);
        await expect(refused).rejects.toThrow(`${place}: expected a file to write, got ${kind}; name another`);
      }
      expect((await readdir(folder!)).sort()).toEqual(["device", "dir", "pipe"]);
      expect(await readlink(device!)).toBe("/dev/null");
    }),
  );

  it.skipIf(process.platform === "win32")("writes the file behind a link", () =>
    withFolders(1, async (folder) => {
      const [file, link] = [join(folder!, "file"), join(folder!, "link")];
      await writeFile(file, "before");
      await symlink("file", link);
      await writeAtomically(link, "after");
      expect([await readFile(file, "utf8"), await readlink(link)]).toEqual(["after", "file"]);
      expect((await readdir(folder!)).sort()).toEqual(["file", "link"]);
    }),
  );
});
