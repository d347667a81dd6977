import type { VlmBackend } from "../backends/backend";

/**
 * What `config.json` says of a model: what it holds, where the backend can tell, and else what it is called. The name is for people where there is a
 * digest: the same model by another path is the same.
 */
export async function policyIdentity(backend: VlmBackend): Promise<object | string> {
  const { name } = backend;
  return backend.modelDigest ? { name, sha256: await backend.modelDigest() } : name;
}
