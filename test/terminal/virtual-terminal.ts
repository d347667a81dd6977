import type { TerminalStream } from "../../src/terminal/terminal";
import { columnsOf } from "../../src/terminal/text";

/** A terminal in memory: what a person would see of what a program writes to it. */
export interface VirtualTerminal extends TerminalStream {
  readonly columns: number;
  readonly rows: number;
  /** Makes the window narrower: longer lines become several, and the cursor stays at the end. */
  narrow(columns: number): void;
  /** All lines, those that scrolled away too, without blanks at their ends. */
  lines(): readonly string[];
  /** The lines in the window. */
  window(): readonly string[];
}

const esc = "\u001b";
const commandPattern = new RegExp(`^${esc}\\[(\\d*)([A-Za-z])$`);
const tokens = new RegExp(`${esc}\\[\\d*[A-Za-z]|[\\s\\S]`, "gu");

/** Knows the four things that a run writes: characters, line feeds, carriage returns, and "up", "erase below". */
export function virtualTerminal(columns: number, rows = 24): VirtualTerminal {
  let lines: string[] = [""];
  let [row, column] = [0, 0];
  const newLine = () => {
    row++;
    column = 0;
    if (row === lines.length) lines.push("");
  };
  const put = (character: string) => {
    const width = columnsOf(character);
    if (column + width > terminal.columns) newLine();
    const line = lines[row]!.padEnd(column);
    lines[row] = line.slice(0, column) + character + line.slice(column + character.length);
    column += width;
  };
  const command = (sequence: string) => {
    const [, count, name] = commandPattern.exec(sequence) ?? [];
    if (name === "A") row = Math.max(0, lines.length - terminal.rows, row - Number(count || 1));
    else if (name === "J") lines = [...lines.slice(0, row), lines[row]!.slice(0, column)];
    else if (name !== "m") throw new Error(`unknown to the virtual terminal: ${JSON.stringify(sequence)}`);
  };
  const terminal: VirtualTerminal & { columns: number } = {
    isTTY: true,
    columns,
    rows,
    narrow(fewer) {
      terminal.columns = fewer;
      lines = lines.flatMap((line) => line.trimEnd().match(new RegExp(`.{1,${fewer}}`, "gu")) ?? [""]);
      row = lines.length - 1;
    },
    write(text: string) {
      for (const [token] of text.matchAll(tokens)) {
        if (token.startsWith(esc)) command(token);
        else if (token === "\n") newLine();
        else if (token === "\r") column = 0;
        else put(token);
      }
      return true;
    },
    hasColors: () => false,
    lines: () => lines.map((line) => line.trimEnd()),
    window: () => terminal.lines().slice(-terminal.rows),
  };
  return terminal;
}
