import { mkdir, mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { RiseError } from "../../src/errors";
import { createRng } from "../../src/rng";
import type { Input, OpenTarget, Target } from "./target";

export interface Failure {
  readonly target: string;
  readonly seed: number;
  readonly index: number;
  readonly input: Input;
  readonly reason: string;
}

export interface Tally {
  /** Cases that ended with a value, and with an error. */
  values: number;
  errors: number;
  /** Processor time of the slowest case in milliseconds, and its index. */
  worst: { readonly milliseconds: number; readonly index: number };
}

export interface FuzzOptions {
  readonly seed: number;
  /** Index of the first case (0). */
  readonly first?: number;
  readonly cases: number;
  /** Is told of a case before it begins, with what those before it came to. */
  readonly onCase?: (index: number, tally: Tally) => void;
  readonly onFailure: (failure: Failure) => void;
}

/** Characters that a message may have. */
const longestMessage = 10_000;

/**
 * Reads `cases` inputs. The law: every input becomes a value or a `RiseError` with a message of at most 10 000 characters, within the target's
 * processor time; no promise is rejected unheard; `Object.prototype` keeps its properties; the target finds no fault with the value.
 */
export async function fuzz(target: Target, { seed, first = 0, cases, onCase, onFailure }: FuzzOptions): Promise<Tally> {
  const parent = await realpath(await mkdtemp(join(tmpdir(), `rise-fuzz-${target.name}-`)));
  const folder = join(parent, "inside");
  await mkdir(folder);
  await writeFile(join(parent, "outside.png"), canary);
  const unheard: string[] = [];
  const listen = (error: unknown) => void unheard.push(said(error));
  process.on("unhandledRejection", listen);
  const inherited = prototypeNames();
  const tally: Tally = { values: 0, errors: 0, worst: { milliseconds: 0, index: first } };
  let open: OpenTarget | undefined;
  try {
    open = await target.open(folder);
    for (let index = first; index < first + cases; index++) {
      onCase?.(index, tally);
      const input = open.make(createRng(seed, target.name, index));
      const before = process.cpuUsage();
      const { outcome, reasons } = await outcomeOf(open, input);
      const { user, system } = process.cpuUsage(before);
      const milliseconds = (user + system) / 1000;
      tally[outcome]++;
      if (milliseconds > tally.worst.milliseconds) tally.worst = { milliseconds, index };
      const { limitMs = 2000 } = target;
      if (milliseconds > limitMs) reasons.push(`${Math.round(milliseconds)} ms of processor time, over ${limitMs}`);
      reasons.push(...unheard.splice(0).map((reason) => `a rejection that nobody heard: ${reason}`));
      const added = prototypeNames().filter((name) => !inherited.includes(name));
      for (const name of added) Reflect.deleteProperty(Object.prototype, name);
      if (added.length > 0) reasons.push(`Object.prototype has ${added.map(String).join(", ")}`);
      if (reasons.length > 0) onFailure({ target: target.name, seed, index, input, reason: reasons.join("; ") });
    }
  } finally {
    await open?.close?.();
    process.off("unhandledRejection", listen);
    await rm(parent, { recursive: true, force: true });
  }
  return tally;
}

/** The input of one case, which is not read. */
export async function inputOf(target: Target, seed: number, index: number): Promise<Input> {
  const folder = await mkdtemp(join(tmpdir(), `rise-fuzz-${target.name}-`));
  try {
    const { make, close } = await target.open(folder);
    await close?.();
    return make(createRng(seed, target.name, index));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The content of `outside.png`. */
export const canary = "canary-of-a-file-outside";

const prototypeNames = () => Reflect.ownKeys(Object.prototype);

const said = (error: unknown): string =>
  (error instanceof Error ? (error.stack ?? error.message) : String(error)).slice(0, 1500);

async function outcomeOf(
  { read, problem }: OpenTarget,
  input: Input,
): Promise<{ readonly outcome: "values" | "errors"; readonly reasons: string[] }> {
  try {
    const result = read(input);
    const value = result instanceof Promise ? await result : result;
    // A rejection that nobody heard is told of in the next turn.
    if (result instanceof Promise) await turn();
    const found = problem?.(value as never, input);
    return { outcome: "values", reasons: found === undefined ? [] : [found] };
  } catch (error) {
    await turn();
    return { outcome: "errors", reasons: faultsOf(error) };
  }
}

function faultsOf(error: unknown): string[] {
  if (!(error instanceof RiseError)) return [`threw what is no RiseError: ${said(error)}`];
  return [
    ...(error.message.length > longestMessage ? [`a message of ${error.message.length} characters`] : []),
    ...(error.message === "" ? ["a message without words"] : []),
    ...(error.message.includes(canary) ? ["a message that quotes the file outside"] : []),
  ];
}
