import type { Session, Tensor } from "./session";

/** Compiled graphs by key, the least recently used disposed first: a session holds native memory and takes a tenth of a second to make. */
export interface SessionCache {
  /** Runs the graph of `key`, compiled by `create` the first time. Calls may overlap: a session in use is not disposed. */
  run(
    key: string,
    create: () => Promise<Session>,
    feeds: Readonly<Record<string, Tensor>>,
  ): Promise<Record<string, Tensor>>;
  dispose(): Promise<void>;
}

export function sessionCache(limit = 64): SessionCache {
  const entries = new Map<string, { readonly session: Promise<Session>; users: number }>();

  async function dropUnused(beyond: number): Promise<void> {
    for (const [key, { session, users }] of entries) {
      if (entries.size <= beyond) break;
      if (users > 0) continue;
      entries.delete(key);
      await (await session).dispose();
    }
  }

  return {
    async run(key, create, feeds) {
      const entry = entries.get(key) ?? { session: create(), users: 0 };
      entries.delete(key);
      entries.set(key, entry);
      entry.users++;
      try {
        const session = await entry.session.catch((error: unknown) => {
          // What could not be compiled once may be tried again.
          if (entries.get(key) === entry) entries.delete(key);
          throw error;
        });
        return await session.run(feeds);
      } finally {
        entry.users--;
        await dropUnused(limit);
      }
    },
    dispose: () => dropUnused(0),
  };
}
