import { BackendError, ShapeError } from "../../errors";
import type { Graph } from "../graph/graph";
import { elementCount, fits, showShape } from "../graph/shapes";
import type { Value } from "../graph/value";
import { type Provider, providerOptions } from "./providers";
import { serialiseModel, usedInputs } from "./serialise";
import { compile } from "./worker";

/** A tensor's numbers and shape. */
export interface Tensor<Data = Float32Array | BigInt64Array | Uint8Array> {
  readonly data: Data;
  readonly shape: readonly number[];
}

/** The provider, threads and memory that a graph runs with. */
export interface Placement {
  /** Execution provider (the CPU). */
  readonly provider?: Provider;
  /** Threads inside one operator (all cores). */
  readonly threads?: number;
  /** Bytes of GPU memory; absent on the CPU. */
  readonly memory?: number;
}

/** Options of `createSession`. */
export interface SessionOptions extends Placement {
  /** Folder of the files that external tensors name. */
  readonly folder?: string;
  /** Reads weights from their files in place instead of rearranging or converting them in memory: slower (false). */
  readonly weightsStayInFiles?: boolean;
}

/** A compiled graph. It owns native memory, so dispose it. */
export interface Session {
  /**
   * Computes in another thread; feeds must not change meanwhile. Feeds are copied, except those named in `givenAway`,
   * which become unreadable. Feeds that the graph does not need are ignored.
   */
  run(feeds: Readonly<Record<string, Tensor>>, givenAway?: readonly string[]): Promise<Record<string, Tensor>>;
  /** Frees the graph's native memory. */
  dispose(): Promise<void>;
}

/**
 * Compiles `outputs` of `graph`.
 * @throws BackendError when onnxruntime refuses the model
 * @example
 * const session = await createSession(g, { y });
 * const outputs = await session.run({ x: { data: Float32Array.of(1, 2), shape: [2] } });
 */
export async function createSession(
  graph: Graph,
  outputs: Readonly<Record<string, Value>>,
  { folder, threads, provider = "cpu", weightsStayInFiles = false }: SessionOptions = {},
): Promise<Session> {
  const { extra, ...options } = providerOptions[provider](weightsStayInFiles);
  const model = serialiseModel(graph, outputs);
  const settings = {
    ...options,
    logSeverityLevel: 3,
    // Many sessions exist side by side: with an arena, each would hold its peak, and runs were several times slower.
    enableCpuMemArena: false,
    enableMemPattern: false,
    ...(threads !== undefined && { intraOpNumThreads: threads }),
    extra: {
      ...extra,
      session: {
        // Denormals made attention several times slower in long runs.
        set_denormal_as_zero: "1",
        // Spinning threads would hold the cores that clipping and AdamW need between runs.
        force_spinning_stop: "1",
        ...extra?.session,
        ...(folder !== undefined && { model_external_initializers_file_folder_path: folder }),
      },
    },
  };
  const compiled = await compile(model, settings).catch((cause: unknown) => {
    throw explained(cause, `onnxruntime refused the graph on ${provider}`);
  });
  const inputs = usedInputs(graph, outputs);

  return {
    async run(feeds, givenAway = []) {
      const given = Object.fromEntries(inputs.map((input) => [input.name, checked(input, feeds[input.name])]));
      const moved = givenAway.flatMap((name) => (given[name] ? [given[name].data.buffer as ArrayBuffer] : []));
      const results = await compiled.run(given, moved).catch((cause: unknown) => {
        throw explained(cause, `onnxruntime could not run the graph on ${provider}`);
      });
      return results as Record<string, Tensor>;
    },
    dispose: () => compiled.release(),
  };
}

/** Wraps an error of onnxruntime in ours; the end of its thread is already ours. */
function explained(cause: unknown, what: string): BackendError {
  if (cause instanceof BackendError) return cause;
  const message = String(cause);
  // A GPU's arena uses these words.
  const advice = message.includes("Failed to allocate memory")
    ? 'Its memory is full: fewer rows at once, shorter completions, smaller images, or precision "half" take less. '
    : "";
  return new BackendError(`${what}: ${advice}${message}`, { cause });
}

function checked({ name, dtype, shape: expectedShape }: Value, tensor: Tensor | undefined) {
  const expected = `feed "${name}": expected ${dtype} ${showShape(expectedShape)}`;
  if (!tensor) throw new ShapeError(`${expected}, but it is missing`);
  const { data, shape } = tensor;
  if (dtypeOf(data) !== dtype || !fits(shape, expectedShape) || data.length !== elementCount(shape, expected))
    throw new ShapeError(`${expected}, got ${data.length} numbers as ${dtypeOf(data)} ${showShape(shape)}`);
  // Sending part of an unshared buffer would send all of it.
  const isWhole = data.buffer instanceof SharedArrayBuffer || data.byteLength === data.buffer.byteLength;
  return { dtype, data: isWhole ? data : data.slice(), shape };
}

export const dtypeOf = (data: Tensor["data"]) =>
  data instanceof Float32Array ? "float32" : data instanceof BigInt64Array ? "int64" : "bool";
