/** The sizes of a model that its cost follows from. */
export interface ModelSize {
  /** Weights of the language model that each token is multiplied with, the head included. */
  readonly perToken: number;
  /** All weights of the language model, and of the vision tower. */
  readonly language: number;
  readonly vision: number;
  /** Weights of a LoRA adapter of rank 16 on all linear layers of the language model. */
  readonly lora: number;
  readonly layers: number;
  readonly hidden: number;
  readonly vocabulary: number;
  /** Key and value heads times their size. */
  readonly keyValueWidth: number;
}

/** Source: config.json of Qwen/Qwen2-VL-2B-Instruct and -7B-Instruct; weights are counted from it. */
export const models = {
  "2B": {
    perToken: 1.544e9,
    language: 1.544e9,
    vision: 0.665e9,
    lora: 18.5e6,
    layers: 28,
    hidden: 1536,
    vocabulary: 151_936,
    keyValueWidth: 256,
  },
  "7B": {
    perToken: 7.071e9,
    language: 7.616e9,
    vision: 0.676e9,
    lora: 40.4e6,
    layers: 28,
    hidden: 3584,
    vocabulary: 152_064,
    keyValueWidth: 512,
  },
} as const satisfies Readonly<Record<string, ModelSize>>;

export interface DeviceSpeed {
  readonly words: string;
  /** FLOP/s of matrix products, and the share that a training step reaches. */
  readonly flops: number;
  readonly efficiency: number;
  /** Bytes a second from memory. */
  readonly bandwidth: number;
  readonly bytes: number;
  /** Bytes a second to another GPU of its node, one way: NVLink. Source: datasheets. */
  readonly link: number;
  /** Bytes of a weight, a key or a value while it is used. */
  readonly weightBytes: number;
  /** Rows of one forward and backward pass, and whether rows of one prompt compute it once. */
  readonly rowsAtOnce: number;
  readonly sharesPrompts: boolean;
}

const gpu = { efficiency: 0.4, weightBytes: 2, rowsAtOnce: 4, sharesPrompts: false };

export const devices = {
  laptop: {
    words:
      "laptop: 8 cores, 32 GB; 60 GFLOP/s a core in float32 (measured: 240 on 2 server cores) of which a step reaches " +
      "70 % (measured: 67 to 78 %); 40 GB/s from memory (assumed)",
    flops: 0.48e12,
    efficiency: 0.7,
    bandwidth: 40e9,
    bytes: 32e9,
    link: 0,
    weightBytes: 4,
    rowsAtOnce: 1,
    sharesPrompts: true,
  },
  a100: { ...gpu, words: gpuWords("A100", 312, 2.04, 80), flops: 312e12, bandwidth: 2.04e12, bytes: 80e9, link: 300e9 },
  h100: { ...gpu, words: gpuWords("H100", 989, 3.35, 80), flops: 989e12, bandwidth: 3.35e12, bytes: 80e9, link: 450e9 },
  h200: { ...gpu, words: gpuWords("H200", 989, 4.8, 141), flops: 989e12, bandwidth: 4.8e12, bytes: 141e9, link: 450e9 },
} as const satisfies Readonly<Record<string, DeviceSpeed>>;

function gpuWords(name: string, teraflops: number, terabytes: number, gigabytes: number): string {
  return `${name}: ${teraflops} TFLOP/s in bfloat16 (datasheet) of which a step reaches 40 % (assumed); ${terabytes} TB/s, ${gigabytes} GB (datasheet)`;
}

export interface Sampler {
  readonly words: string;
  /** Seconds of a decoding step beside its products and its memory traffic. */
  readonly overhead: number;
  /** Bytes of a weight that a decoding step reads. */
  readonly bytesRead: number;
  /** Whether a group computes its prompt once. */
  readonly sharesPrompts: boolean;
  /** Which weights it holds besides the trainer's. */
  readonly holds: "none" | "language" | "all";
}

export const samplers = {
  onnx: {
    overhead: 0,
    bytesRead: 1,
    sharesPrompts: true,
    holds: "language",
    words:
      'onnx: samplerPrecision "int8"; a decoding step waits for memory or products alone (measured: 0.16 s for 8 rows on 2 server cores)',
  },
  transformers: {
    overhead: 0.025,
    bytesRead: 2,
    sharesPrompts: false,
    holds: "none",
    words:
      "transformers generate: 25 ms a decoding step besides memory and products (assumed); each row computes its prompt",
  },
  vllm: {
    overhead: 0.003,
    bytesRead: 2,
    sharesPrompts: true,
    holds: "all",
    words: "vLLM: 3 ms a decoding step besides memory and products (assumed); a group computes its prompt once",
  },
} as const satisfies Readonly<Record<string, Sampler>>;

/** GPUs of a node, and bytes a second between nodes (400 Gb/s a GPU). Source: datasheets. */
export const links = { gpusOfNode: 8, betweenNodes: 50e9 };

/** Saving an adapter and loading it into a sampler of its own. Measured on a CPU: 0.2 s for 91 thousand weights. */
export const reloadSeconds = 0.5;
