import { parseArgs } from "node:util";
import { RiseError } from "../errors";
import { type Command, version, type Write } from "./command";

const commands: Readonly<Record<string, Command>> = {
  doctor: {
    does: "what this machine has for rise-ts: versions, memory, the model cache, devices; and a self-test of two seconds",
    run: async (write, _, engine) => (await import("./doctor")).doctor(write, undefined, engine),
  },
  memory: {
    does: "what a model takes: sampling, LoRA and full training; a directory or hub id, of which only settings are loaded",
    operand: "MODEL",
    run: async (write, model) => (await import("./memory")).memory(write, model),
  },
  plan: {
    does: "what a run takes, 2B and 7B on a laptop and on 1, 8 and 64 GPUs: time, memory, GPU-hours, assumptions",
    run: async (write) => (await import("./plan")).plan(write),
  },
};

/**
 * Runs a command line.
 * @returns the exit code: 0, or 1 when it could not be done
 */
export async function runCommand(
  argv: readonly string[],
  write: Write = (text) => process.stdout.write(text),
  complain: Write = (text) => process.stderr.write(text),
): Promise<number> {
  let parsed: ReturnType<typeof parse>;
  try {
    parsed = parse(argv);
  } catch (error) {
    complain(`rise: ${(error as Error).message}\n\n${help}`);
    return 1;
  }
  const { values, positionals } = parsed;
  const [name, ...others] = positionals;
  if (values.version) {
    write(`${version()}\n`);
    return 0;
  }
  if (values.help || name === "help") {
    write(help);
    return 0;
  }
  const command = name !== undefined && Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (command && others.length === (command.operand ? 1 : 0))
    return command.run(write, others[0] ?? "", values.engine).catch((error: unknown) => {
      if (!(error instanceof RiseError)) throw error;
      complain(`rise: ${error.message}\n`);
      return 1;
    });
  const problem = command
    ? `${name} takes ${command.operand ?? "no arguments"}, got ${others.join(" ") || "none"}`
    : name === undefined
      ? "expected a command"
      : `expected one of the commands ${Object.keys(commands).join(", ")}; got ${name}`;
  complain(`rise: ${problem}\n\n${help}`);
  return 1;
}

const parse = (argv: readonly string[]) =>
  parseArgs({
    args: [...argv],
    options: {
      help: { type: "boolean", short: "h" },
      version: { type: "boolean", short: "v" },
      engine: { type: "string" },
    },
    allowPositionals: true,
  });

const help = `Usage: rise <command>

Commands:
${Object.entries(commands)
  .map(([name, { does, operand = "" }]) => `  ${`${name} ${operand}`.padEnd(15)}${does}`)
  .join("\n")}

Options:
  -h, --help     this text
  --engine torch for doctor: the Python behind torchTrainer
  -v, --version  the version of rise-ts
`;
