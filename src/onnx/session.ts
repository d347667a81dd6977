import type { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { BackendError, ShapeError } from "../errors";
import type { Graph } from "./graph";
import { serialiseModel, usedInputs } from "./model";
import { type Provider, providerOptions } from "./providers";
import { elementCount, fits, showShape } from "./shapes";
import type { Value } from "./value";

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
  /** Feeds are not copied; each output is. Names that the graph does not need may be fed too. */
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
  const ort = await import("onnxruntime-node");
  const { extra, ...options } = providerOptions[provider];
  const session = await ort.InferenceSession.create(serialiseModel(graph, outputs), {
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
        // Denormals made attention several times slower in long runs. The switch belongs to the calling thread and stays on:
        // from here on JavaScript's own doubles below 2.2e-308 count as zero too.
        set_denormal_as_zero: "1",
        ...(weightsStayInFiles && { disable_prepacking: "1" }),
        ...(folder !== undefined && { model_external_initializers_file_folder_path: folder }),
      },
    },
  } as InferenceSession.SessionOptions).catch((cause: unknown) => {
    throw new BackendError(`onnxruntime refused the graph on ${provider}: ${String(cause)}`, { cause });
  });
  const inputs = usedInputs(graph, outputs);

  return {
    async run(feeds) {
      const given: Record<string, OrtTensor> = {};
      for (const input of inputs) given[input.name] = toOrt(ort, input, feeds[input.name]);
      const results = await session.run(given).catch((cause: unknown) => {
        throw new BackendError(`onnxruntime could not run the graph on ${provider}: ${String(cause)}`, { cause });
      });
      // run() blocks and resolves in a microtask: let timers, signals and progress have their turn.
      await new Promise((resolve) => setImmediate(resolve));
      return Object.fromEntries(
        Object.entries(results).map(([name, { data, dims }]) => [name, { data: data as Tensor["data"], shape: dims }]),
      );
    },
    dispose: () => session.release(),
  };
}

function toOrt(ort: typeof import("onnxruntime-node"), input: Value, tensor: Tensor | undefined): OrtTensor {
  const expected = `feed "${input.name}": expected ${input.dtype} ${showShape(input.shape)}`;
  if (!tensor) throw new ShapeError(`${expected}, but it is missing`);
  const { data, shape } = tensor;
  if (dtypeOf(data) !== input.dtype || !fits(shape, input.shape) || data.length !== elementCount(shape, expected))
    throw new ShapeError(`${expected}, got ${data.length} numbers as ${dtypeOf(data)} ${showShape(shape)}`);
  return new ort.Tensor(input.dtype as "float32", data as Float32Array, shape);
}

const dtypeOf = (data: Tensor["data"]) =>
  data instanceof Float32Array ? "float32" : data instanceof BigInt64Array ? "int64" : "bool";
