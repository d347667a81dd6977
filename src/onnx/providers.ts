/** What runs a graph: an execution provider of onnxruntime. */
export type Provider = "cpu" | "cuda" | "webgpu";

/** Session options in which providers differ; where onnxruntime has no name for one it is under `extra`, as a string. */
interface ProviderOptions {
  readonly executionProviders: readonly Provider[];
  readonly extra?: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

/**
 * Everything in which the providers differ. The graphs are the same for all: a node for whose operator or type a provider has no kernel
 * (bfloat16 on WebGPU, say) is given by onnxruntime to the CPU, which has one for each, and values are copied to and fro.
 */
export const providerOptions: { readonly [P in Provider]: ProviderOptions } = {
  cpu: { executionProviders: ["cpu"] },
  cuda: {
    executionProviders: ["cuda", "cpu"],
    // Folded on the CPU, half-precision weights would come to the GPU as float32: the Cast belongs there.
    extra: { optimization: { disable_specified_optimizers: "ConstantFolding" } },
  },
  webgpu: { executionProviders: ["webgpu", "cpu"] },
};
