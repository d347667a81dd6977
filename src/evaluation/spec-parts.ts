import type { VlmBackend } from "../backend";
import { choice, count, having, type Spec } from "../options/spec";
import type { FailureOptions } from "../runs/examples/failures";
import type { Task } from "../task";

/** Methods that tell a task from its options. */
const methods = [
  "cotPrompt",
  "reconstructionPrompt",
  "answerPrompt",
  "format",
  "parse",
  "similarity",
  "leaks",
  "validate",
] as const satisfies readonly (keyof Task<never>)[];

export const taskOption = () => having("a task, such as classification({ labels })", ...methods);

export const backendOption = () =>
  having<VlmBackend>("a backend, such as onnxBackend's or a trainer's sampler()", "generate");

export const signalOption = () => having<AbortSignal>("an AbortSignal", "throwIfAborted").optional();

export const failureSpec = {
  onFailure: choice(["record", "exclude", "throw"]).default("record"),
  failureLimit: count().default(8).describe("Failures in a row at which the call throws"),
} satisfies Spec<FailureOptions>;
