import type { Session, Tensor } from "./session";

/** Compiled graphs by key. The least recently used is disposed first: sessions are slow to make and hold memory. */
export interface SessionCache {
  /** Runs the graph of `key`, compiled by `create` the first time. Calls may overlap; busy sessions are kept. */
  run(
    key: string,
    create: () => Promise<Session>,
    feeds: Readonly<Record<string, Tensor>>,
    givenAway?: readonly string[],
  ): Promise<Record<string, Tensor>>;
  dispose(): Promise<void>;
}

export function sessionCache(limit = 64): SessionCache {
  let most = limit;
  const entries = new Map<string, { readonly session: Promise<Session>; users: number }>();

  async function dropUnused(beyond: number): Promise<void> {
    const unused = [...entries].filter(([, { users }]) => users === 0);
    const dropped = unused.slice(0, Math.max(0, entries.size - beyond));
    for (const [key] of dropped) entries.delete(key);
    for (const [, { session }] of dropped) await (await session).dispose();
  }

  return {
    async run(key, create, feeds, givenAway) {
      // Room is made first, because two large sessions might not fit at once.
      const entry = entries.get(key) ?? { session: dropUnused(most - 1).then(create), users: 0 };
      entries.delete(key);
      entries.set(key, entry);
      entry.users++;
      try {
        const session = await entry.session.catch((error: unknown) => {
          // A failed compilation may be tried again.
          if (entries.get(key) === entry) entries.delete(key);
          throw error;
        });
        return await session.run(feeds, givenAway);
      } finally {
        entry.users--;
        await dropUnused(most);
      }
    },
    dispose() {
      // A session that is busy now is disposed when its run ends.
      most = 0;
      return dropUnused(0);
    },
  };
}
