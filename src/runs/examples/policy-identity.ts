import type { VlmBackend } from "../../backend";

/**
 * The identity of a model in `config.json`: its content where the backend can tell, else its name. The name is for people where there is a
 * digest: the same model by another path is the same.
 */
export async function policyIdentity(backend: VlmBackend): Promise<object | string> {
  const { name } = backend;
  return backend.modelDigest ? { name, sha256: await backend.modelDigest() } : name;
}
