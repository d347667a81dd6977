/** Something with native memory: a value its maker disposes of, or a function that makes one for this call, which then disposes of it. */
export type Owned<T> = T | (() => Promise<T>);

/** Gives `use` the value, and disposes of it afterwards where it was made here. */
export async function* withOwned<T extends { dispose(): Promise<void> }, Event, Result>(
  owned: Owned<T>,
  use: (value: T) => AsyncGenerator<Event, Result, void>,
): AsyncGenerator<Event, Result, void> {
  if (typeof owned !== "function") return yield* use(owned);
  const value = await owned();
  try {
    return yield* use(value);
  } finally {
    await value.dispose();
  }
}
