/**
 * Records what verl makes of the cases of seed 0, for the tests. Printed as JSON:
 *
 *   npx tsx test/reference/grpo/record-verl.ts > test/reference/grpo/verl-peers.json && npx biome check --write test/reference/grpo
 *
 * RISE_PYTHON names a Python that has torch and transformers (see ../requirements.txt).
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createRng } from "../../../src/rng";
import { createPython } from "../python";
import { verlFigures } from "./verl";
import { verlCases } from "./verl-cases";

const scratch = await mkdtemp(join(tmpdir(), "rise-verl-"));
const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const python = await createPython(at("../requirements.txt"), at("../../../.venv-reference"));
try {
  const cases = verlCases(createRng(0, "verl"), 36);
  const figures = await verlFigures(python, scratch, cases);
  const torch = (await python("-c", "import torch; print(torch.__version__)")).trim();
  console.log(JSON.stringify({ versions: { verl: "0.9.1", torch }, cases, figures }));
} finally {
  await rm(scratch, { recursive: true });
}
