/** A function that makes each thing once, and gives the same again for equal arguments. */
export function remembered<Args extends readonly (string | number)[], T>(make: (...args: Args) => T) {
  const made = new Map<string, T>();
  return (...args: Args): T => {
    const key = JSON.stringify(args);
    const known = made.get(key) ?? make(...args);
    made.set(key, known);
    return known;
  };
}
