import * as z from "zod";
import { ConfigError } from "../errors";
import { shown } from "../options/display";
import { callback } from "../options/spec";
import type { News } from "./news";
import { createPlainLines } from "./plain";
import { createScreen } from "./screen";
import { createTerminal, type Terminal } from "./terminal";

/**
 * Whether an operation says on stderr how it goes: a plan with times on a terminal, plain lines elsewhere. A function
 * receives the plain lines instead.
 */
export type LogOption = boolean | ((line: string) => void);

/** The schema of an option that says where an operation's progress and warnings go. */
export const logOption = () =>
  z
    .union([z.boolean(), callback<(line: string) => void>()], "true, false, or a function that receives lines")
    .optional();

/** The log of one operation. */
export interface Log {
  tell(news: News): void;
  /**
   * Ends the log; a second call does nothing. With a text the work has succeeded, and without one it has failed.
   * @param text the result in a sentence
   */
  close(text?: string): void;
}

/** A log that says nothing. */
export const silent: Log = { tell() {}, close() {} };

/**
 * Opens the log of an operation.
 *
 * @param title begins every line: the operation
 * @param option the operation's `log` option; without it, `RISE_LOG` decides: "off" is silence, "plain" is plain lines
 * also on a terminal, and without `RISE_LOG` the operation speaks
 * @throws ConfigError for another `RISE_LOG`
 */
export function openLog(title: string, option: LogOption | undefined): Log {
  const mode = modeOf(option);
  if (mode === "off") return silent;
  if (typeof option === "function") return plainLog(title, option);
  const { stderr, stdout } = process;
  surviveClosing(stderr);
  const isTerminal = stderr.isTTY && mode !== "plain" && process.env.TERM !== "dumb";
  if (!isTerminal) return plainLog(title, (line) => stderr.write(`${line}\n`));
  terminal ??= createTerminal(stderr, stdout.isTTY ? [stdout] : []);
  return screenLog(title, terminal);
}

/** Says one sentence where an operation's log goes. */
export function say(title: string, option: LogOption | undefined, text: string): void {
  const log = openLog(title, option);
  log.tell({ type: "note", text });
  log.close();
}

/** All logs of a process share its terminal. */
let terminal: Terminal | undefined;

const modes = ["off", "plain", ""] as const;

function modeOf(option: LogOption | undefined): (typeof modes)[number] {
  if (option === false) return "off";
  const mode = modes.find((known) => known === (process.env.RISE_LOG ?? ""));
  if (mode === undefined)
    throw new ConfigError(`RISE_LOG: expected off or plain, or no such variable, got ${shown(process.env.RISE_LOG)}`);
  // An option of the program's own has more weight than its surroundings.
  return mode === "off" && option !== undefined ? "" : mode;
}

/** Keeps a program alive whose pipe nobody reads any more, or whose terminal has gone. */
export function surviveClosing(stream: NodeJS.WriteStream): void {
  if (!stream.listeners("error").includes(onClosed)) stream.on("error", onClosed);
}

function onClosed(error: NodeJS.ErrnoException): void {
  if (!["EPIPE", "EIO", "ECONNRESET", "ERR_STREAM_DESTROYED"].includes(error.code ?? "")) throw error;
}

/** Milliseconds between two looks at a part that is silent. */
const lookMs = 10_000;

/** A log of plain lines. */
export function plainLog(title: string, write: (line: string) => void, now = Date.now): Log {
  const lines = createPlainLines(title, now());
  const put = (some: readonly string[]) => {
    for (const line of some) write(line);
  };
  const timer = setInterval(() => put(lines.wait(now())), lookMs);
  timer.unref();
  let isOpen = true;
  return {
    tell(news) {
      if (isOpen) put(lines.tell(news, now()));
    },
    close(text) {
      if (isOpen) put(lines.close(now(), { text, hasFailed: text === undefined }));
      isOpen = false;
      clearInterval(timer);
    },
  };
}

/** A log on a terminal. */
export function screenLog(title: string, { look, print, attach, detach }: Terminal, now = Date.now): Log {
  const screen = createScreen(title, now());
  let isOpen = true;
  let isShown = false;
  return {
    tell(news) {
      if (!isOpen) return;
      if (!isShown && news.type !== "note") attach(screen);
      isShown ||= news.type !== "note";
      print(screen.tell(news, now(), look()));
    },
    close(text) {
      if (isOpen && isShown) detach(screen, screen.close(now(), look(), { text, hasFailed: text === undefined }));
      else if (isOpen && text !== undefined) print(screen.tell({ type: "note", text }, now(), look()));
      isOpen = false;
    },
  };
}
