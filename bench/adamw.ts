/**
 * Claim: an AdamW step costs six to seven nanoseconds a parameter on one core, where a root and a division in float64 take most of it, and all cores share
 * them. PyTorch's fused one, in float32 and vectorised, is several times faster.
 *
 *   RISE_PYTHON=… npx tsx bench/adamw.ts            half a minute
 *
 * 3 and 10 million parameters in sixteen tensors, float32, in shared memory as a trainer has them. Both sides take turns in
 * one run. PyTorch gets the same threads as everywhere
 * here, all cores, and the fused optimiser.
 */
import { adamw } from "../src/optim";
import { sharedTensors } from "../src/optim/shared-tensors";
import { createRng } from "../src/rng";
import { type Rounds, reportRounds } from "./measure";
import { inTurn, withPeer } from "./peer";

/** The threads beside this one are up after the first few. */
const [tensors, rounds, warmups] = [16, 15, 10];
const sizes = [3_000_000, 10_000_000];

await withPeer("adamw.py", { sizes, tensors }, new Map(), async (peer) => {
  const rows: Rounds[] = [];
  for (const size of sizes) {
    const [params, gradients] = [random(size), random(size)];
    const optimizer = adamw({ weightDecay: 0.1 });
    const state = optimizer.init(params);
    const work = {
      what: `${size / 1e6} million parameters`,
      ours: () => optimizer.update(gradients, state, params, { learningRate: 1e-5 }),
      requests: { fused: { size } },
    };
    rows.push(await inTurn(peer, work, rounds, warmups));
  }
  reportRounds("adamw", ["rise-ts", "PyTorch"], rows, peer.facts);
});

function random(size: number): Map<string, Float32Array> {
  const rng = createRng(0, "adamw", size);
  const made = sharedTensors(Array.from({ length: tensors }, (_, i) => [`${i}`, size / tensors] as const));
  for (const values of made.values()) for (let i = 0; i < values.length; i++) values[i] = rng.uniform() - 0.5;
  return made;
}
