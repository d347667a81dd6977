import { BackendError, ShapeError } from "../errors";
import { createGraph, type Graph } from "./graph";
import { serialiseModel, usedInputs } from "./model";
import { type Provider, providerOptions } from "./providers";
import { elementCount, fits, showShape } from "./shapes";
import type { Value } from "./value";
import { ask } from "./worker";

export interface Tensor<Data = Float32Array | BigInt64Array | Uint8Array> {
  readonly data: Data;
  readonly shape: readonly number[];
}

/** What a graph runs on. */
export interface Placement {
  /** The CPU by default. */
  readonly provider?: Provider;
  /** Threads inside one operator; all cores by default. */
  readonly threads?: number;
}

export interface SessionOptions extends Placement {
  /** Folder of the files that external tensors name. */
  readonly folder?: string;
  /** Weights are read from their files where they are used, not rearranged or converted in memory once: slower, and as small as it gets (false). */
  readonly weightsStayInFiles?: boolean;
}

/** A compiled graph. It owns native memory: dispose it. */
export interface Session {
  /** Computes in another thread, so that this one stays free; feeds must not change meanwhile. Feeds and outputs are copied. Names that the graph does not need may be fed too. */
  run(feeds: Readonly<Record<string, Tensor>>): Promise<Record<string, Tensor>>;
  dispose(): Promise<void>;
}

/**
 * Compiles `outputs` of `graph`.
 * @throws BackendError when onnxruntime refuses the model
 */
export async function createSession(
  graph: Graph,
  outputs: Readonly<Record<string, Value>>,
  { folder, threads, provider = "cpu", weightsStayInFiles = false }: SessionOptions = {},
): Promise<Session> {
  await zeroDenormals();
  const { extra, ...options } = providerOptions[provider];
  const model = serialiseModel(graph, outputs);
  const settings = {
    ...options,
    logSeverityLevel: 3,
    // Many graphs of different sizes live side by side: an arena each would hold every one's peak, and was several times slower.
    enableCpuMemArena: false,
    enableMemPattern: false,
    // Folding constants and merging what is written twice would both keep float32 copies of half-precision weights.
    ...(weightsStayInFiles && { graphOptimizationLevel: "disabled" as const }),
    ...(threads !== undefined && { intraOpNumThreads: threads }),
    extra: {
      ...extra,
      session: {
        // Denormals made attention several times slower in long runs.
        set_denormal_as_zero: "1",
        ...(weightsStayInFiles && { disable_prepacking: "1" }),
        ...(folder !== undefined && { model_external_initializers_file_folder_path: folder }),
      },
    },
  };
  const session = (await ask({ ask: "create", model, options: settings }).catch((cause: unknown) => {
    throw new BackendError(`onnxruntime refused the graph on ${provider}: ${String(cause)}`, { cause });
  })) as number;
  const inputs = usedInputs(graph, outputs);

  return {
    async run(feeds) {
      const given = Object.fromEntries(inputs.map((input) => [input.name, checked(input, feeds[input.name])]));
      const results = await ask({ ask: "run", session, feeds: given }).catch((cause: unknown) => {
        throw new BackendError(`onnxruntime could not run the graph on ${provider}: ${String(cause)}`, { cause });
      });
      return results as Record<string, Tensor>;
    },
    dispose: async () => void (await ask({ ask: "release", session })),
  };
}

function checked({ name, dtype, shape: expectedShape }: Value, tensor: Tensor | undefined) {
  const expected = `feed "${name}": expected ${dtype} ${showShape(expectedShape)}`;
  if (!tensor) throw new ShapeError(`${expected}, but it is missing`);
  const { data, shape } = tensor;
  if (dtypeOf(data) !== dtype || !fits(shape, expectedShape) || data.length !== elementCount(shape, expected))
    throw new ShapeError(`${expected}, got ${data.length} numbers as ${dtypeOf(data)} ${showShape(shape)}`);
  // All of the buffer behind a part of one would be sent.
  return { dtype, data: data.byteLength < data.buffer.byteLength ? data.slice() : data, shape };
}

const dtypeOf = (data: Tensor["data"]) =>
  data instanceof Float32Array ? "float32" : data instanceof BigInt64Array ? "int64" : "bool";

let denormalsAreZero: Promise<void> | undefined;

/** Optimisers meet denormals as well: the switch belongs to the thread in which a session is made, and stays on. */
function zeroDenormals(): Promise<void> {
  denormalsAreZero ??= (async () => {
    const { InferenceSession } = await import("onnxruntime-node");
    const g = createGraph();
    const model = serialiseModel(g, { zero: g.constant([0]) });
    const session = await InferenceSession.create(model, { extra: { session: { set_denormal_as_zero: "1" } } });
    await session.release();
  })();
  return denormalsAreZero;
}
