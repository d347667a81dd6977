import { createHash } from "node:crypto";
import type { VlmBackend } from "../../backend";
import { checkPrompt } from "../../prompts/check-prompt";
import type { Example, Prompt } from "../../types";

/** Tells datasets apart by ids, annotations and subjects, in order; it does not read the images. */
export function fingerprint(examples: readonly Pick<Example<unknown>, "id" | "annotation" | "subject">[]): {
  readonly examples: number;
  readonly sha256: string;
} {
  const rows = examples.map(({ id, annotation, subject }) => [id, annotation, subject]);
  return { examples: examples.length, sha256: digest(rows) };
}

/**
 * Tells prompts apart by their words, in order, and by the places of their images.
 * @throws DataError for something else, which a task of the caller's may give
 */
export function promptsFingerprint(prompts: Iterable<Prompt>): { readonly sha256: string } {
  const rows = [...prompts].map((prompt) => {
    checkPrompt(prompt);
    return prompt.map(({ role, content }) => ({
      role,
      content: content.map((part) => (part.type === "text" ? part : { type: part.type })),
    }));
  });
  return { sha256: digest(rows) };
}

function digest(rows: readonly unknown[]): string {
  const hash = createHash("sha256");
  for (const row of rows) hash.update(`${JSON.stringify(row)}\n`);
  return hash.digest("hex");
}

/**
 * The identity of a model in `config.json`: a digest of its content if the backend has one, else its name. Beside a
 * digest the name is for people only: the same model by another path is the same.
 */
export async function policyIdentity(backend: VlmBackend): Promise<object | string> {
  const { name } = backend;
  return backend.modelDigest ? { name, sha256: await backend.modelDigest() } : name;
}

/** Everything about a model and its prompts that decides greedy answers, for `config.json`. */
export async function answersIdentity(
  prompts: Iterable<Prompt>,
  { backend, maxTokens }: { readonly backend: VlmBackend; readonly maxTokens: number },
): Promise<object> {
  return {
    prompts: promptsFingerprint(prompts),
    policy: await policyIdentity(backend),
    ...(backend.weightsDigest && { weights: { sha256: backend.weightsDigest() } }),
    maxTokens,
  };
}
