import { readFile } from "node:fs/promises";
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
  it.each([["--help"], ["-h"], ["help"], ["doctor", "--help"]])("%s %s tells what there is", async (...argv) => {
    const { code, out, err } = await rise(...argv);
    expect([code, err]).toEqual([0, ""]);
    expect(out).toContain("Usage: rise <command>");
    expect(out).toMatch(/^ {2}doctor {2,}\S/m);
  });

  it("--version is that of package.json", async () => {
    const { version } = JSON.parse(await readFile("package.json", "utf8"));
    expect(await rise("--version")).toEqual({ code: 0, out: `${version}\n`, err: "" });
  });

  it.each([
    [[], "rise: expected a command\n"],
    [["docter"], "rise: expected one of the commands doctor; got docter\n"],
    [["toString"], "rise: expected one of the commands doctor; got toString\n"],
    [["doctor", "now"], "rise: doctor takes no arguments, got now\n"],
    [["doctor", "--fast"], "rise: Unknown option '--fast'"],
  ])("%j is answered with what was expected, and the help", async (argv, problem) => {
    const { code, out, err } = await rise(...argv);
    expect([code, out]).toEqual([1, ""]);
    expect(err.startsWith(problem)).toBe(true);
    expect(err).toContain("Usage: rise <command>");
  });
});
