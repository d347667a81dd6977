import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { protoWriter } from "../../../src/onnx/runtime/proto";
import { readProto, strings } from "./proto-reader";

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

describe("varints", () => {
  it.each([
    ["zero", 0, "0800"],
    ["the largest of one byte", 127, "087f"],
    ["the smallest of two bytes", 128, "088001"],
    ["the documentation's 150", 150, "089601"],
    ["2^31, where 32-bit arithmetic turns negative", 2 ** 31, "088080808008"],
    ["2^32, where it wraps", 2 ** 32, "088080808010"],
    ["2^53 as a bigint", 2n ** 53n, "088080808080808010"],
    ["2^63 − 1", 2n ** 63n - 1n, "08ffffffffffffffff7f"],
    ["minus one, as ten bytes", -1, "08ffffffffffffffffff01"],
    ["the most negative 64-bit number", -(2n ** 63n), "0880808080808080808001"],
  ])("encode %s", (_, value, bytes) => {
    expect(hex(protoWriter().int(1, value).finish())).toBe(bytes);
  });

  it("come back from any 64-bit integer, in two's complement", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (value) => {
        const [field] = readProto(protoWriter().int(3, value).finish());
        expect(BigInt.asIntN(64, field!.value as bigint)).toBe(value);
      }),
    );
  });

  it("carry field numbers over one byte", () => {
    expect(readProto(protoWriter().int(16, 1).int(2047, 2).finish())).toEqual([
      { field: 16, value: 1n },
      { field: 2047, value: 2n },
    ]);
  });
});

describe("fields", () => {
  it("keep strings outside ASCII", () => {
    expect(strings(protoWriter().string(1, "π → 🙂").finish(), 1)).toEqual(["π → 🙂"]);
  });

  it("write floats as four bytes, lowest first", () => {
    expect(hex(protoWriter().float(2, 1).finish())).toBe("150000803f");
  });

  it("hold bytes whose length takes two bytes, and empty ones", () => {
    const long = Uint8Array.from({ length: 300 }, (_, i) => i % 256);
    const [first, second] = readProto(protoWriter().bytes(9, long).bytes(9, new Uint8Array(0)).finish());
    expect(first!.value).toEqual(long);
    expect(second!.value).toEqual(new Uint8Array(0));
  });

  it("nest messages in messages", () => {
    const inner = protoWriter().int(1, 5).string(2, "inner");
    const [outer] = readProto(protoWriter().message(4, inner).finish());
    expect(outer!.value).toEqual(inner.finish());
  });
});
