import { stripVTControlCharacters, styleText } from "node:util";
import type { Look, Paint } from "./screen";
import { columnsOf } from "./text";

/** The parts of `process.stderr` that a terminal uses. */
export interface TerminalStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
  write(text: string, ...rest: never[]): unknown;
  /** False on a terminal without colours, or with NO_COLOR. */
  hasColors?(): boolean;
}

/** Lines that change, drawn at the end of a terminal. */
export interface Region {
  live(now: number, look: Look): readonly string[];
}

/** A terminal that shows regions below each other, and lines above them that stay. */
export interface Terminal {
  readonly look: () => Look;
  print(lines: readonly string[]): void;
  attach(region: Region): void;
  /** Removes a region, and leaves lines in its place. */
  detach(region: Region, lines: readonly string[]): void;
}

/** Milliseconds from one drawing to the next. */
const periodMs = 200;

/**
 * Makes a terminal of a stream.
 * @param others streams that may write to the same screen, such as stdout: while there is a region, their text goes
 * above
 */
export function createTerminal(
  stream: TerminalStream,
  others: readonly TerminalStream[] = [],
  now = Date.now,
): Terminal {
  const regions = new Set<Region>();
  const put = stream.write.bind(stream) as (text: string) => unknown;
  let drawn: readonly string[] = [];
  let timer: NodeJS.Timeout | undefined;
  let giveBack = () => {};
  const paint: Paint = (style, text) => (stream.hasColors?.() ? styleText(style, text) : text);
  const look = (): Look => ({ columns: Math.max(20, (stream.columns ?? 80) - 1), paint });
  /** Goes up to the first drawn line. A narrower window has wrapped them. */
  const erased = () => {
    const columns = stream.columns ?? 80;
    const rows = drawn.reduce(
      (sum, line) => sum + Math.max(1, Math.ceil(columnsOf(stripVTControlCharacters(line)) / columns)),
      0,
    );
    drawn = [];
    return rows === 0 ? "" : `\x1b[${rows}A\r\x1b[J`;
  };
  const draw = (above: string) => {
    const before = erased();
    const all = [...regions].flatMap((region) => region.live(now(), look()));
    // Lines above the window's top could not be erased.
    drawn = all.slice(-Math.max(1, (stream.rows ?? 24) - 1));
    put(`${before}${above}${drawn.map((line) => `${line}\n`).join("")}`);
  };
  const print = (lines: readonly string[]) => {
    if (lines.length > 0) draw(lines.map((line) => `${line}\n`).join(""));
  };
  return {
    look,
    print,
    attach(region) {
      if (regions.size === 0) {
        giveBack = borrow([stream, ...others], (write) => {
          put(erased());
          draw(write() ? "" : "\n");
        });
        timer = setInterval(() => draw(""), periodMs);
        timer.unref();
      }
      regions.add(region);
    },
    detach(region, lines) {
      if (!regions.delete(region)) return;
      if (regions.size === 0) {
        clearInterval(timer);
        giveBack();
      }
      print(lines);
    },
  };
}

/**
 * Has everything that a program writes to streams pass through `around`, which writes it by its argument.
 * @param around its argument returns whether the text ended its line
 * @returns a function that undoes it
 */
function borrow(streams: readonly TerminalStream[], around: (write: () => boolean) => void): () => void {
  const undo = streams.map((stream) => {
    const { write } = stream;
    let isOurs = true;
    const passing: TerminalStream["write"] = (text, ...rest) => {
      if (!isOurs) return write.call(stream, text, ...rest);
      let result: unknown;
      around(() => {
        result = write.call(stream, text, ...rest);
        return String(text).endsWith("\n");
      });
      return result;
    };
    stream.write = passing;
    return () => {
      isOurs = false;
      // Somebody else may have borrowed it meanwhile.
      if (stream.write === passing) stream.write = write;
    };
  });
  return () => {
    for (const one of undo) one();
  };
}
