import { copyFile, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { runCommand } from "../../src/cli/commands";

async function rise(...argv: string[]) {
  const [out, err]: [string[], string[]] = [[], []];
  const code = await runCommand(
    argv,
    (text) => out.push(text),
    (text) => err.push(text),
  );
  return { code, out: out.join(""), err: err.join("") };
}

describe("rise", () => {
  it.each([["--help"], ["-h"], ["help"], ["doctor", "--help"], ["help", "memory"]])(
    "%s %s tells what there is",
    async (...argv) => {
      const { code, out, err } = await rise(...argv);
      expect([code, err]).toEqual([0, ""]);
      expect(out).toContain("Usage: rise <command>");
      expect(out).toMatch(/^ {2}doctor {2,}\S/m);
    },
  );

  it("memory foresees what a model takes, more to train all of it than an adapter, from its settings alone", async () => {
    const folder = await mkdtemp(join(tmpdir(), "rise-memory-"));
    try {
      for (const file of ["config.json", "preprocessor_config.json"])
        await copyFile(join("examples", "tiny-vlm", "checkpoint", file), join(folder, file));
      const { code, out, err } = await rise("memory", folder);
      expect([code, err]).toEqual([0, ""]);
      const total = (row: string) => Number(new RegExp(`^${row} .* ([\\d.]+)$`, "m").exec(out)![1]);
      expect(total("LoRA, rank 16, 8 at once")).toBeGreaterThan(total("sampling, 1 completion"));
      expect(total("all weights, 8 at once")).toBeGreaterThan(total("LoRA, rank 16, 8 at once"));
      expect(total("all weights, 8 at once, checkpointing")).toBeLessThan(total("all weights, 8 at once"));
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it("memory says what is wrong with a folder that is no model", async () => {
    const { code, out, err } = await rise("memory", "examples/demo");
    expect([code, out]).toEqual([1, ""]);
    expect(err).toMatch(/^rise: .*examples\/demo.*config\.json/);
  });

  it("--version is that of package.json", async () => {
    const { version } = JSON.parse(await readFile("package.json", "utf8"));
    expect(await rise("--version")).toEqual({ code: 0, out: `${version}\n`, err: "" });
  });

  it.each([
    [[], "rise: expected a command\n"],
    [["docter"], "rise: expected one of the commands doctor, memory; got docter\n"],
    [["toString"], "rise: expected one of the commands doctor, memory; got toString\n"],
    [["doctor", "now"], "rise: doctor takes no arguments, got now\n"],
    [["memory"], "rise: memory takes MODEL, got none\n"],
    [["doctor", "--fast"], "rise: Unknown option '--fast'"],
  ])("%j is answered with what was expected, and the help", async (argv, problem) => {
    const { code, out, err } = await rise(...argv);
    expect([code, out]).toEqual([1, ""]);
    expect(err.startsWith(problem)).toBe(true);
    expect(err).toContain("Usage: rise <command>");
  });
});
