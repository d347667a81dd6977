import { choice, type Spec } from "../options/spec";
import { type FailureOptions, failureSpec as runFailureSpec } from "../runs/examples/failures";

export { backendOption } from "../runs/disposable";
export { taskOption } from "../runs/examples/check-examples";
export { signalOption } from "../runs/run-options";

export const failureSpec = {
  ...runFailureSpec,
  onFailure: choice(["record", "exclude", "throw"]).default("record"),
} satisfies Spec<FailureOptions>;
