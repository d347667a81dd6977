import { BackendError } from "../../errors";
import { createGraph, matMul } from "../graph/graph";
import type { Provider } from "./providers";
import { createSession, type Tensor } from "./session";

/** Rows and columns of the matrices: a power of two, so that 1, 1/side and all products of them are exact floats. */
const side = 1024;
/** Products in one run. */
const chain = 8;

/**
 * The speed of float32 matrix products on a provider in GFLOP/s, from the fastest run: 2·side³·chain / time.
 * @param durationMs how long to measure; one run at least
 * @throws BackendError when the provider cannot run, or computes a wrong product
 */
export async function gemmSpeed(provider: Provider, durationMs: number): Promise<number> {
  const g = createGraph();
  const [ones, mean, column] = [
    g.input("ones", "float32", [side, side]),
    g.input("mean", "float32", [side, side]),
    g.input("column", "float32", [side, 1]),
  ];
  let product = ones;
  for (let i = 0; i < chain; i++) product = matMul(g, product, mean);
  // Only a column of the result is computed, so that little is copied out.
  const session = await createSession(g, { y: matMul(g, product, column) }, { provider });
  try {
    const feeds = { ones: filled(1, side), mean: filled(1 / side, side), column: filled(1 / side, 1) };
    let fastest = Number.POSITIVE_INFINITY;
    const run = async () => {
      const start = performance.now();
      const { y } = await session.run(feeds);
      fastest = Math.min(fastest, performance.now() - start);
      const wrong = (y!.data as Float32Array).find((value) => value !== 1);
      if (wrong !== undefined) throw new BackendError(`${provider} computed ${wrong} for a product that is 1`);
    };
    // The first run is slower: it allocates buffers and compiles kernels.
    await run();
    fastest = Number.POSITIVE_INFINITY;
    const end = performance.now() + durationMs;
    do await run();
    while (performance.now() < end);
    return (2 * side ** 3 * chain) / fastest / 1e6;
  } finally {
    await session.dispose();
  }
}

const filled = (value: number, columns: number): Tensor => ({
  data: new Float32Array(side * columns).fill(value),
  shape: [side, columns],
});
