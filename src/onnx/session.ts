import type { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { BackendError, ShapeError } from "../errors";
import type { Graph } from "./graph";
import { serialiseModel, usedInputs } from "./model";
import { elementCount, fits, showShape } from "./shapes";
import type { Value } from "./value";

export interface Tensor<Data = Float32Array | BigInt64Array | Uint8Array> {
  readonly data: Data;
  readonly shape: readonly number[];
}

export interface SessionOptions {
  /** Folder of the files that external tensors name. */
  readonly folder?: string;
  /** Threads inside one operator; all cores by default. */
  readonly threads?: number;
}

/** A compiled graph. It owns native memory: dispose it. */
export interface Session {
  /** Feeds are not copied; each output is. Names that the graph does not need may be fed too. */
  run(feeds: Readonly<Record<string, Tensor>>): Promise<Record<string, Tensor>>;
  dispose(): Promise<void>;
}

/**
 * Compiles `outputs` of `graph` for the CPU.
 * @throws BackendError when onnxruntime refuses the model
 */
export async function createSession(
  graph: Graph,
  outputs: Readonly<Record<string, Value>>,
  { folder, threads }: SessionOptions = {},
): Promise<Session> {
  const ort = await import("onnxruntime-node");
  const session = await ort.InferenceSession.create(serialiseModel(graph, outputs), {
    executionProviders: ["cpu"],
    logSeverityLevel: 3,
    // Many graphs of different sizes live side by side: an arena each would hold every one's peak, and was several times slower.
    enableCpuMemArena: false,
    enableMemPattern: false,
    ...(threads !== undefined && { intraOpNumThreads: threads }),
    extra: {
      session: {
        // Denormals made attention several times slower in long runs. The switch belongs to the calling thread and stays on:
        // from here on JavaScript's own doubles below 2.2e-308 count as zero too.
        set_denormal_as_zero: "1",
        ...(folder !== undefined && { model_external_initializers_file_folder_path: folder }),
      },
    },
  } as InferenceSession.SessionOptions).catch((cause: unknown) => {
    throw new BackendError(`onnxruntime refused the graph: ${String(cause)}`, { cause });
  });
  const inputs = usedInputs(graph, outputs);

  return {
    async run(feeds) {
      const given: Record<string, OrtTensor> = {};
      for (const input of inputs) given[input.name] = toOrt(ort, input, feeds[input.name]);
      const results = await session.run(given);
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
