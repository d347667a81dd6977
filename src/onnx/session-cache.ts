import type { Session } from "./session";

/** Compiled graphs by key, the least recently used disposed first: a session holds native memory and takes a tenth of a second to make. */
export interface SessionCache {
  get(key: string, create: () => Promise<Session>): Promise<Session>;
  dispose(): Promise<void>;
}

export function sessionCache(limit = 16): SessionCache {
  const sessions = new Map<string, Session>();
  return {
    async get(key, create) {
      const session = sessions.get(key) ?? (await create());
      sessions.delete(key);
      sessions.set(key, session);
      for (const [oldest, old] of sessions) {
        if (sessions.size <= limit) break;
        sessions.delete(oldest);
        await old.dispose();
      }
      return session;
    },
    async dispose() {
      for (const session of sessions.values()) await session.dispose();
      sessions.clear();
    },
  };
}
