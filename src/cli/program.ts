import { CommanderError, type Command as Parser } from "commander";
import { readConfig } from "../config/read";
import { findConfig } from "../config/source";
import { valueOfText } from "../config/values";
import { ConfigError } from "../errors";
import { tryOptions } from "../options/spec";
import { stopOnInterrupt } from "../runs/stop-on-interrupt";
import { commands } from "./commands";
import { complete } from "./completion";
import { plainArguments } from "./frame/arguments";
import type { Call, Command, Outcome } from "./frame/command";
import { type ExitCode, exitCodeOf, exitCodes } from "./frame/exit-codes";
import { type Flag, flagsOf } from "./frame/flags";
import { createOutput, type Output, type Write } from "./frame/output";
import { createParser, describeCommand, usageError } from "./parser";

export interface Surroundings {
  readonly out?: Write;
  readonly err?: Write;
  /** The folder in which the command runs. */
  readonly folder?: string;
}

/**
 * Runs a command line of `rise-ts`.
 * @returns the exit code
 */
export async function runCommand(argv: readonly string[], surroundings: Surroundings = {}): Promise<ExitCode> {
  const { out = write(process.stdout), err = write(process.stderr), folder = process.cwd() } = surroundings;
  const output = createOutput(out, err);
  if (argv[0] === "complete") {
    output.text((await complete(argv.slice(argv[1] === "--" ? 2 : 1))).join("\n"));
    return exitCodes.done;
  }
  const isHelp = argv[0] === "help";
  const named = argv.find((argument) => !argument.startsWith("-") && !(isHelp && argument === "help"));
  const listed = named !== undefined && Object.hasOwn(commands, named) ? commands[named] : undefined;
  const command = await listed?.load();
  const flags = command ? flagsOf(command) : [];
  const plain = plainArguments(argv, flags);
  const isJson = plain.includes("--json=true");
  const where = command ? `rise-ts ${named}` : "rise-ts";
  let outcome: Outcome | undefined;
  try {
    const parser = createParser(output);
    if (command)
      describeCommand(parser, named!, command, flags).action(async (...received: unknown[]) => {
        const given = received.at(-1) as Parser;
        outcome = await command.run(createCall(given, { command, flags, folder, output }));
      });
    await parser.parseAsync(plain.length === 0 ? ["--help"] : plain, { from: "user" });
    if (outcome) output.outcome(outcome, isJson);
    return outcome?.code ?? exitCodes.done;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return exitCodes.done;
    const shown = error instanceof CommanderError ? usageError(error, where, flags) : error;
    output.error(where, shown, isJson);
    return exitCodeOf(shown);
  }
}

const write =
  (stream: NodeJS.WritableStream): Write =>
  (text) =>
    stream.write(text);

/** The sections of a config that a command cannot do without. */
const needsOf = ({ sections = { short: [], long: [] } }: Command): readonly string[] =>
  ["task", "data"].filter((name) => [...sections.short, ...sections.long].includes(name));

interface Called {
  readonly command: Command;
  readonly flags: readonly Flag[];
  readonly folder: string;
  readonly output: Output;
}

function createCall(parsed: Parser, { command, flags, folder, output }: Called): Call {
  const texts = parsed.opts<Readonly<Record<string, string>>>();
  const given = flags.filter(({ name }) => texts[name] !== undefined);
  const own = given.filter(({ option, name }) => option === undefined && name !== "json" && name !== "config");
  const values = Object.fromEntries(own.map(({ name, row }) => [name, valueOfText(texts[name]!, row.schema)]));
  const options = new Map(given.flatMap(({ name, option }) => (option === undefined ? [] : [[option, texts[name]!]])));
  const read = tryOptions(values, command.flags ?? {});
  if (read.problem) throw new ConfigError(read.problem.text);
  let stop: AbortSignal | undefined;
  return {
    operands: parsed.args,
    flags: read.data as Call["flags"],
    folder,
    hasConfig: texts.config !== undefined || options.size > 0 || findConfig(folder) !== undefined,
    config: (values) => readConfig({ file: texts.config, flags: options, folder, values, needs: needsOf(command) }),
    say: output.say,
    stop: () => (stop ??= stopOnInterrupt(output.say)),
  };
}
