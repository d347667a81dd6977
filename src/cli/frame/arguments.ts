import { type Flag, isSwitch } from "./flags";

/**
 * Brings an argument list into one form, `--name=value`: `--group-size 4` is `--groupSize=4`, `--resume` is
 * `--resume=true`, and `--no-resume` is `--resume=false`.
 */
export function plainArguments(argv: readonly string[], flags: readonly Flag[]): string[] {
  const byName = new Map(flags.map((flag) => [flag.name, flag]));
  const plain: string[] = [];
  for (let i = 0; i < argv.length; i++) {
    const argument = argv[i]!;
    if (argument === "--") return [...plain, ...argv.slice(i)];
    const [, negation, written, value] = /^--(no-)?([^=]+)(?:=(.*))?$/s.exec(argument) ?? [];
    if (written === undefined) {
      plain.push(argument);
      continue;
    }
    const name = camelCase(written);
    const flag = byName.get(name);
    if (!flag) plain.push(argument);
    else if (negation) plain.push(`--${name}=false`);
    else if (value !== undefined) plain.push(`--${name}=${value}`);
    else if (isSwitch(flag)) {
      const isNext = ["true", "false"].includes(argv[i + 1] ?? "");
      plain.push(`--${name}=${isNext ? argv[++i] : true}`);
    } else plain.push(`--${name}`);
  }
  return plain;
}

const camelCase = (name: string) => name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
