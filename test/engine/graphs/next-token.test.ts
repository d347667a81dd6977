import { describe, expect, it } from "vitest";
import { cumulate } from "../../../src/engine/graphs/next-token";
import { createGraph } from "../../../src/onnx/graph/graph";
import { createSession } from "../../../src/onnx/runtime/session";
import { createRng } from "../../../src/rng";

describe("running sums of a vocabulary", () => {
  // In one piece; Qwen2-VL's, which is cut evenly; a prime, which is not.
  it.each([[100], [151_936], [10_007]])(
    "of %i tokens never fall, and rise only where a token has mass",
    async (width) => {
      const rows = 3;
      const rng = createRng(0, "running sums");
      const mass = Float32Array.from({ length: rows * width }, () => (rng.uniform() < 0.5 ? 0 : rng.uniform() ** 8));
      const g = createGraph();
      const session = await createSession(g, { sums: cumulate(g, g.input("x", "float32", [rows, width])) });
      const { sums } = await session.run({ x: { data: mass, shape: [rows, width] } });
      await session.dispose();
      expect(sums!.shape).toEqual([rows, width]);
      const found = sums!.data as Float32Array;
      for (let row = 0; row < rows; row++) {
        let exact = 0;
        for (let i = row * width; i < (row + 1) * width; i++) {
          exact += mass[i]!;
          const before = i === row * width ? 0 : found[i - 1]!;
          if (mass[i] === 0 ? found[i] !== before : !(found[i]! >= before))
            expect.fail(`place ${i - row * width}: ${before} and ${mass[i]} make ${found[i]}`);
          if (!(Math.abs(found[i]! - exact) <= 1e-4 * exact)) expect.fail(`${found[i]} for ${exact}`);
        }
      }
    },
  );
});
