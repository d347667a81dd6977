import type { Architecture } from "../../models/parts/architecture";
import type { Tensor } from "../../onnx/runtime/session";
import { type ImageGroups, layOut, type RowPart } from "../batch";
import { maskedScore } from "../graphs/training";
import type { BatchPlan } from "../shared-prefixes";

/** The feeds of `trainingGraph` for the tokens of a micro-batch. */
export function tokenFeeds(plan: BatchPlan, groups: ImageGroups, architecture: Architecture): Record<string, Tensor> {
  const { prefixes, prefixTime, rows, time } = plan;
  const layOutParts = (parts: readonly RowPart[], length: number) =>
    layOut(parts, length, "right", groups, architecture);
  const own = layOutParts(rows, time);
  const { cos, sin } = own;
  if (prefixes.length === 0) return { tokenIds: own.tokenIds, source: own.source, cos, sin };

  const before = layOutParts(prefixes, prefixTime);
  const span = prefixTime + time;
  const padding = new Float32Array(rows.length * span);
  rows.forEach(({ prefix }, r) => {
    padding.fill(maskedScore, r * span + prefixes[prefix]!.to, r * span + prefixTime);
  });
  return {
    ...joined(before, own),
    cos,
    sin,
    prefixCos: before.cos,
    prefixSin: before.sin,
    prefixOf: { data: BigInt64Array.from(rows, ({ prefix }) => BigInt(prefix)), shape: [rows.length] },
    padding: { data: padding, shape: [rows.length, 1, 1, 1, span] },
  };
}

type Placed = Pick<ReturnType<typeof layOut>, "tokenIds" | "source">;

/** Joins two layouts, one behind the other: embeddings of both first, then features. */
function joined(first: Placed, second: Placed): { tokenIds: Tensor; source: Tensor } {
  const [a, b] = [first.tokenIds.data.length, second.tokenIds.data.length];
  const shape = [a + b];
  const source = BigInt64Array.from([
    ...first.source.data.map((row) => (row < a ? row : row + BigInt(b))),
    ...second.source.data.map((row) => row + BigInt(a)),
  ]);
  return {
    tokenIds: { data: BigInt64Array.from([...first.tokenIds.data, ...second.tokenIds.data]), shape },
    source: { data: source, shape },
  };
}

/** Each scored token's position and id, and the cotangents of its log-probability and entropy, padded to `targets`. */
export function targetFeeds(
  { prefixes, prefixTime, rows, time }: BatchPlan,
  targets: number,
  cotangents: readonly ArrayLike<number>[] | undefined,
  entropyCotangents?: readonly ArrayLike<number>[] | undefined,
): Record<string, Tensor> {
  const scoredAt = new BigInt64Array(targets);
  const chosen = new BigInt64Array(targets);
  const cotangent = new Float32Array(targets);
  const entropyCotangent = new Float32Array(targets);
  let next = 0;
  rows.forEach(({ row: { tokens, promptLength }, from }, r) => {
    const first = prefixes.length * prefixTime + r * time - from;
    for (let i = promptLength; i < tokens.length; i++, next++) {
      // A token's probability is read at the token before it.
      scoredAt[next] = BigInt(first + i - 1);
      chosen[next] = BigInt(tokens[i]!);
      cotangent[next] = cotangents?.[r]?.[i - promptLength] ?? 0;
      entropyCotangent[next] = entropyCotangents?.[r]?.[i - promptLength] ?? 0;
    }
  });
  return {
    scoredAt: { data: scoredAt, shape: [targets] },
    chosen: { data: chosen, shape: [targets, 1] },
    cotangent: { data: cotangent, shape: [targets] },
    entropyCotangent: { data: entropyCotangent, shape: [targets] },
  };
}
