import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { furthest, replay, ways } from "../reference/trajectory/replay";

// Recorded by test/reference/trajectory/make.py: torch 2.14.1 in float64, transformers 5.24.0, TRL 1.16.0.
const recorded = fileURLToPath(new URL("../reference/data/trajectory", import.meta.url));

describe.each(ways)("20 steps of %s on PyTorch's data", (way) => {
  it("lead all 57 parameters to PyTorch's: within 5e-5 of their norm, and 5e-3 of the way they went", async () => {
    const divergence = await replay(recorded, way);
    expect(divergence.parameters.size).toBe(57);
    const [ofNorm, ofTravelled] = [furthest(divergence, "ofNorm"), furthest(divergence, "ofTravelled")];
    expect(ofNorm.error, ofNorm.name).toBeLessThan(5e-5);
    expect(ofTravelled.error, ofTravelled.name).toBeLessThan(5e-3);
    expect(divergence.loss).toBeLessThan(1e-4);
    expect(divergence.gradNorm).toBeLessThan(1e-4);
  });
});
