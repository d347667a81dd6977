import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, it } from "vitest";

const run = promisify(execFile);

/** Prints how often zod began to make a schema, as V8 counts calls: while the root was loaded, and for one task. */
const script = `
  import { Session } from "node:inspector/promises";
  const session = new Session();
  session.connect();
  await session.post("Profiler.enable");
  await session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: false });
  const begun = async () => {
    const { result } = await session.post("Profiler.takePreciseCoverage");
    const core = result.filter(({ url }) => url.endsWith("/zod/v4/core/core.js")).flatMap(({ functions }) => functions);
    return core.filter(({ functionName }) => functionName === "init").reduce((sum, { ranges }) => sum + ranges[0].count, 0);
  };
  const { classification } = await import("./src/index.ts");
  const atImport = await begun();
  classification({ labels: ["joy", "fear"] });
  const atUse = await begun();
  classification({ labels: ["joy", "fear"] });
  console.log(JSON.stringify({ atImport, atUse, atSecondUse: await begun() }));
`;

it("makes no schema when the root is imported, and those of an operation at its first call", async () => {
  const { stdout } = await run(process.execPath, ["--import", "tsx", "--input-type=module", "-e", script]);
  const { atImport, atUse, atSecondUse } = JSON.parse(stdout) as Record<string, number>;
  expect(atUse).toBeGreaterThan(0);
  expect({ atImport, atSecondUse }).toEqual({ atImport: 0, atSecondUse: 0 });
}, 60_000);
