import { keyOf, readArgument } from "../../options/spec";
import type { Command } from "../frame/command";

/** Prints a program that makes a shell complete command lines. */
export const completion: Command = {
  operands: [{ name: "SHELL", help: "bash, zsh or fish" }],
  async run({ operands }) {
    const shell = readArgument("completion", "SHELL", operands[0], keyOf(scripts));
    return { result: { shell, script: scripts[shell] }, text: scripts[shell] };
  },
};

/** Programs that make a shell ask `rise-ts complete`. */
const scripts = {
  bash: `_rise_ts() {
  local IFS=$'\\n'
  COMPREPLY=($(rise-ts complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _rise_ts rise-ts rise
`,
  zsh: `_rise_ts() {
  local -a found
  found=(\${(f)"$(rise-ts complete -- "\${words[@]:1:CURRENT-1}" 2>/dev/null)"})
  if (( \${#found} )); then compadd -a found; else _files; fi
}
compdef _rise_ts rise-ts rise
`,
  fish: `complete -c rise -w rise-ts
complete -c rise-ts -a '(rise-ts complete -- (commandline -opc)[2..-1] (commandline -ct))'
`,
} as const;
