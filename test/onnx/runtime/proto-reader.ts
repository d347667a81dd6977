/** One field of a message: a varint, or the bytes of a string, a message or a 32-bit float. */
export interface ProtoField {
  readonly field: number;
  readonly value: bigint | Uint8Array;
}

/** Reads what `protoWriter` writes, straight from the encoding's definition. */
export function readProto(bytes: Uint8Array): ProtoField[] {
  const fields: ProtoField[] = [];
  let at = 0;
  const varint = () => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++];
      if (byte === undefined || shift > 63n) throw new Error("a varint without end");
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return value;
    }
  };
  const take = (length: number) => {
    if (at + length > bytes.length) throw new Error(`${length} bytes expected at ${at}`);
    return bytes.subarray(at, (at += length));
  };
  while (at < bytes.length) {
    const key = Number(varint());
    const field = key >> 3;
    const type = key & 7;
    if (type === 0) fields.push({ field, value: varint() });
    else if (type === 2) fields.push({ field, value: take(Number(varint())) });
    else if (type === 5) fields.push({ field, value: take(4) });
    else throw new Error(`wire type ${type}`);
  }
  return fields;
}

export const messages = (bytes: Uint8Array, field: number): Uint8Array[] =>
  readProto(bytes).flatMap((entry) => (entry.field === field && typeof entry.value !== "bigint" ? [entry.value] : []));

export const strings = (bytes: Uint8Array, field: number): string[] =>
  messages(bytes, field).map((value) => new TextDecoder().decode(value));

/** The content of a serialised model: its operators in order, the names of its initialisers, inputs and outputs. */
export function readModel(bytes: Uint8Array) {
  const graph = messages(bytes, 7)[0]!;
  return {
    ops: messages(graph, 1).map((node) => strings(node, 4)[0]!),
    initialisers: messages(graph, 5).map((tensor) => strings(tensor, 8)[0]!),
    inputs: messages(graph, 11).map((info) => strings(info, 1)[0]!),
    outputs: messages(graph, 12).map((info) => strings(info, 1)[0]!),
  };
}
