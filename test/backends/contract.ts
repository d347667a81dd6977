import { afterAll, describe, it } from "vitest";
import type { VlmBackend } from "../../src/backend";
import { type BackendContract, describeBackend as describeBackendIn } from "../../src/testing";

/** The shipped suite, run by Vitest. */
export const describeBackend = (name: string, create: () => Promise<VlmBackend>, contract: BackendContract): void =>
  describeBackendIn({ describe, it, afterAll }, name, create, contract);
