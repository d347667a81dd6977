/** What runs a graph: an execution provider of onnxruntime. */
export type Provider = "cpu" | "cuda" | "webgpu";

/**
 * Session options in which providers differ; where onnxruntime has no name for one it is under `extra`, as a string.
 */
interface ProviderOptions {
  readonly executionProviders: readonly Provider[];
  readonly graphOptimizationLevel?: "disabled";
  readonly extra?: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

/**
 * Weights are read from their files where they are used, not rearranged or converted in memory once: slower, and as
 * small as it gets.
 */
const weightsStayInFiles = {
  // Folding constants and merging what is written twice would both keep float32 copies of half-precision weights.
  graphOptimizationLevel: "disabled" as const,
  extra: { session: { disable_prepacking: "1" } },
};

/**
 * What would turn half-precision weights to float32 before they come to the GPU, or merge two Casts of one weight and
 * so keep its float32 copy in between.
 */
const convertingWeights = [
  "ConstantFolding",
  "FuseFp16InitializerToFp32NodeTransformer",
  "CommonSubexpressionElimination",
];

/**
 * Everything in which the providers differ, for weights that are few and for many. The graphs are the same for all: a
 * node for whose operator or type a provider has no kernel (bfloat16 on WebGPU, say) is given by onnxruntime to the
 * CPU, which has one for each, and values are copied to and fro.
 */
export const providerOptions: { readonly [P in Provider]: (manyWeights: boolean) => ProviderOptions } = {
  cpu: (manyWeights) => ({ executionProviders: ["cpu"], ...(manyWeights && weightsStayInFiles) }),
  cuda: () => ({
    executionProviders: ["cuda", "cpu"],
    extra: { optimization: { disable_specified_optimizers: convertingWeights.join(";") } },
  }),
  webgpu: (manyWeights) => ({ executionProviders: ["webgpu", "cpu"], ...(manyWeights && weightsStayInFiles) }),
};
