/** The part of Protocol Buffers needed to write a message: varints, and fields prefixed by number and wire type. */
export interface ProtoWriter {
  int(field: number, value: number | bigint): ProtoWriter;
  float(field: number, value: number): ProtoWriter;
  double(field: number, value: number): ProtoWriter;
  string(field: number, value: string): ProtoWriter;
  bytes(field: number, value: Uint8Array): ProtoWriter;
  message(field: number, value: ProtoWriter): ProtoWriter;
  finish(): Uint8Array;
}

const wire = { varint: 0, fixed64: 1, lengthDelimited: 2, fixed32: 5 } as const;

export function protoWriter(): ProtoWriter {
  const chunks: Uint8Array[] = [];
  const key = (field: number, type: number) => chunks.push(varint((field << 3) | type));
  const writer: ProtoWriter = {
    int(field, value) {
      key(field, wire.varint);
      chunks.push(varint(value));
      return writer;
    },
    float(field, value) {
      key(field, wire.fixed32);
      chunks.push(new Uint8Array(new Float32Array([value]).buffer));
      return writer;
    },
    double(field, value) {
      key(field, wire.fixed64);
      chunks.push(new Uint8Array(new Float64Array([value]).buffer));
      return writer;
    },
    string: (field, value) => writer.bytes(field, new TextEncoder().encode(value)),
    bytes(field, value) {
      key(field, wire.lengthDelimited);
      chunks.push(varint(value.length), value);
      return writer;
    },
    message: (field, value) => writer.bytes(field, value.finish()),
    finish: () => concatenate(chunks),
  };
  return writer;
}

/** Base-128, least significant group first; negative numbers as 64-bit two's complement. */
function varint(value: number | bigint): Uint8Array {
  let rest = BigInt.asUintN(64, BigInt(value));
  const out: number[] = [];
  while (rest > 127n) {
    out.push(Number(rest & 127n) | 128);
    rest >>= 7n;
  }
  out.push(Number(rest));
  return Uint8Array.from(out);
}

function concatenate(chunks: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(chunks.reduce((total, chunk) => total + chunk.length, 0));
  let offset = 0;
  for (const chunk of chunks) {
    out.set(chunk, offset);
    offset += chunk.length;
  }
  return out;
}
