import { runCommand, type Surroundings } from "../../src/cli/program";

/** Runs a command line, and gathers what it prints. */
export async function rise(argv: readonly string[], surroundings: Pick<Surroundings, "folder"> = {}) {
  const [out, err]: [string[], string[]] = [[], []];
  const code = await runCommand(argv, {
    ...surroundings,
    out: (text) => out.push(text),
    err: (text) => err.push(text),
  });
  return { code, out: out.join(""), err: err.join("") };
}
