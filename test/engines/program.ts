import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";

export interface Program {
  /** The last lines that it wrote (25). */
  tail(lines?: number): string;
  /** Ends it and its children, and waits for it. */
  end(): Promise<void>;
  /** Its exit code, as soon as it has ended. */
  readonly ended: Promise<number | null>;
}

/** Starts a program in a process group of its own, so that `end` reaches its children. */
export function startProgram(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Program {
  const child = spawn(command, args, {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  let written = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (piece: Buffer) => {
      written = `${written}${piece.toString()}`.slice(-20_000);
    });
  const ended = once(child, "close").then(([code]) => code as number | null);
  const kill = (signal: NodeJS.Signals) => {
    try {
      process.kill(-child.pid!, signal);
    } catch {
      // It has ended already.
    }
  };
  const onExit = () => kill("SIGKILL");
  process.once("exit", onExit);
  return {
    tail: (lines = 25) => written.split("\n").slice(-lines).join("\n"),
    ended,
    async end() {
      process.off("exit", onExit);
      kill("SIGTERM");
      const late = setTimeout(() => kill("SIGKILL"), 5000);
      await ended;
      clearTimeout(late);
      // A child that outlived the first signal.
      kill("SIGKILL");
    },
  };
}

/** Waits until a server answers with 200. @throws when the program ends first, or after `seconds` */
export async function untilReady(program: Program, url: string, seconds = 240): Promise<void> {
  let hasEnded = false;
  void program.ended.then(() => {
    hasEnded = true;
  });
  for (let tries = 0; tries < seconds * 2; tries++) {
    const isReady = await fetch(url).then(
      ({ ok }) => ok,
      () => false,
    );
    if (isReady) return;
    if (hasEnded) break;
    await sleep(500);
  }
  throw new Error(`${url}: expected an answer, got ${hasEnded ? "an exit" : "none"}:\n${program.tail()}`);
}
