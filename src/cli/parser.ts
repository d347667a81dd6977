import { type CommanderError, Option, Command as Parser } from "commander";
import { ConfigError } from "../errors";
import { counted } from "../options/display";
import { namesElsewhere } from "../options/names-elsewhere";
import { commands } from "./commands";
import { type Command, version } from "./frame/command";
import { type Flag, flagHelp } from "./frame/flags";
import type { Output } from "./frame/output";

/** The parser with all commands, whose own flags and arguments are missing. */
export function createParser({ text }: Output): Parser {
  const parser = new Parser("rise-ts")
    .description("Teaches a vision-language model to annotate images with reasons.")
    .version(version(), "-v, --version", "the version of rise-ts")
    .helpOption("-h, --help", "this text, or a command's")
    .exitOverride()
    .configureOutput({ writeOut: text, writeErr: () => {} })
    .configureHelp({
      // The longest flag leaves 24 columns of 80.
      minWidthToWrap: 20,
      optionTerm: ({ long, short }) => (short ? `${short}, ${long}` : long!),
      subcommandTerm: (command) => command.name(),
    });
  for (const [name, { does }] of Object.entries(commands)) parser.command(name).description(does);
  return parser;
}

export function describeCommand(parser: Parser, name: string, command: Command, flags: readonly Flag[]): Parser {
  const described = parser.commands.find((each) => each.name() === name)!;
  for (const { name: operand, help, isOptional, isList } of command.operands ?? []) {
    const named = isList ? `${operand}...` : operand;
    described.argument(isOptional ? `[${named}]` : `<${named}>`, help);
  }
  for (const flag of flags) {
    const option = new Option(`--${flag.name} <value>`, flagHelp(flag));
    described.addOption(flag.heading === undefined ? option.hideHelp() : option.helpGroup(`${flag.heading}:`));
  }
  return described;
}

/** A parser's complaint in the words of options. */
export function usageError({ code, message }: CommanderError, where: string, flags: readonly Flag[]): ConfigError {
  const help = `; ${where} --help lists what there is`;
  const [words = "", hint] = message.replace(/^error: /, "").split("\n");
  const unknown = code === "commander.unknownOption" ? /'--([^'=]+)/.exec(words)?.[1] : undefined;
  const meant = flags.find(({ name }) =>
    namesElsewhere.get(unknown ?? "")?.some((here) => name === here || name.endsWith(`.${here}`)),
  );
  if (meant) return new ConfigError(`unknown option "--${unknown}"; here it is called "--${meant.name}"`);
  const counts = /Expected (\d+) arguments? but got (\d+)/.exec(words);
  const wanted = counts?.[1] === "0" ? "no argument" : counted(Number(counts?.[1]), "argument");
  if (counts) return new ConfigError(`expected ${wanted}, got ${counts[2]}${help}`);
  const missing = /missing required argument '(\w+)'|option '(--[\w.-]+) <value>' argument missing/.exec(words);
  if (missing) return new ConfigError(`expected ${missing[1] ?? `a value after ${missing[2]}`}, got none${help}`);
  const suggestion = hint?.replace(/^\(Did you mean (.*)\?\)$/, '; did you mean "$1"?');
  return new ConfigError(`${words.replaceAll("'", '"')}${suggestion ?? help}`);
}
