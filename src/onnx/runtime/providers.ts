/** An execution provider of onnxruntime, which runs a graph. */
export type Provider = "cpu" | "cuda" | "webgpu";

/** Session options that differ by provider. An option without a name in onnxruntime is under `extra`, as a string. */
interface ProviderOptions {
  readonly executionProviders: readonly Provider[];
  readonly graphOptimizationLevel?: "disabled";
  readonly extra?: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

/** Weights are read from their files in place instead of rearranged or converted in memory: slower, but smallest. */
const weightsStayInFiles = {
  // Constant folding, or merging duplicate nodes, would keep float32 copies of half-precision weights.
  graphOptimizationLevel: "disabled" as const,
  extra: { session: { disable_prepacking: "1" } },
};

/**
 * Optimisations that convert half-precision weights to float32 before they reach the GPU, or that merge two Casts of
 * one weight and so keep its float32 copy in between.
 */
const convertingWeights = [
  "ConstantFolding",
  "FuseFp16InitializerToFp32NodeTransformer",
  "CommonSubexpressionElimination",
];

/**
 * All differences between providers, for few and for many weights. The graphs are the same for all. If a provider
 * lacks a kernel for a node's operator or type (bfloat16 on WebGPU, say), onnxruntime runs that node on the CPU, which
 * has all kernels, and copies values to and fro.
 */
export const providerOptions: { readonly [P in Provider]: (manyWeights: boolean) => ProviderOptions } = {
  cpu: (manyWeights) => ({ executionProviders: ["cpu"], ...(manyWeights && weightsStayInFiles) }),
  cuda: () => ({
    executionProviders: ["cuda", "cpu"],
    extra: { optimization: { disable_specified_optimizers: convertingWeights.join(";") } },
  }),
  webgpu: (manyWeights) => ({ executionProviders: ["webgpu", "cpu"], ...(manyWeights && weightsStayInFiles) }),
};
