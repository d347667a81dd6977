import type { TestRunner } from "../../src/testing/laws/laws";
import type { Check } from "./leg";

/** Runs a suite of laws of an engine as checks, one after the other; laws that do not apply are left out. */
export async function* lawChecks(engine: string, suite: (runner: TestRunner) => void): AsyncGenerator<Check, void> {
  const laws: [name: string, run: () => void | Promise<void>][] = [];
  const after: (() => Promise<void>)[] = [];
  const it = Object.assign((name: string, run: () => void | Promise<void>) => laws.push([name, run]), {
    skip: () => {},
  });
  suite({ describe: (_, body) => body(), it, afterAll: (body) => after.push(body) });
  for (const [what, run] of laws) {
    try {
      await run();
      yield { engine, what: `${engine}: ${what}`, ok: true };
    } catch (error) {
      const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
      yield { engine, what: `${engine}: ${what}`, ok: false, detail };
    }
  }
  for (const body of after) await body();
}
