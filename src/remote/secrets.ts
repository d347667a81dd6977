/** Shorter values occur in ordinary text too. */
const shortestSecret = 4;

/**
 * Replaces every secret in a text, even if it is escaped for JSON or a URL. Replace before cutting, because a cut may
 * leave the first part of a secret.
 *
 * @example
 * withoutSecrets("wrong key sk-123456", ["sk-123456"]); // "wrong key [key]"
 */
export function withoutSecrets(text: string, secrets: readonly string[]): string {
  const forms = secrets
    // "Bearer sk-…": the server may repeat the second word alone.
    .flatMap((secret) => [secret, ...secret.split(/\s+/)])
    .filter((secret) => secret.length >= shortestSecret && !/^(Bearer|Basic)$/i.test(secret))
    .flatMap((secret) => [secret, JSON.stringify(secret).slice(1, -1), encodeURIComponent(secret)]);
  // Longest first, so that no secret hides a part of another one.
  const ordered = [...new Set(forms)].sort((a, b) => b.length - a.length);
  return ordered.reduce((safe, secret) => safe.replaceAll(secret, "[key]"), text);
}
