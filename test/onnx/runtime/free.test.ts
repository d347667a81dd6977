import { expect, it } from "vitest";
import { discard } from "../../../src/onnx/runtime/free";

it("what is discarded is gone, in whatever arrays it lay; what threads share stays", async () => {
  const buffer = new ArrayBuffer(16);
  const [first, second, alone] = [new Float32Array(buffer, 0, 2), new Float32Array(buffer, 8, 2), new BigInt64Array(3)];
  const shared = new Float32Array(new SharedArrayBuffer(8));
  discard([first, second, alone, shared].map((data) => ({ data, shape: [data.length] })));
  expect([first, second, alone, shared].map(({ length }) => length)).toEqual([0, 0, 0, 2]);
});
