/**
 * Whether the browser may throw away what is kept here.
 *
 * By default a browser that runs short of space evicts what it likes, and Safari whatever was not used for
 * seven days, unless the app is on the home screen. `persist` asks it not to; some ask the person, some decide
 * by themselves.
 */

export interface Room {
  /** The browser has promised to keep it until a person clears it. */
  persisted: boolean;
  /** Bytes, as the browser estimates them; null where it does not say. */
  used: number | null;
  quota: number | null;
}

type Storage = Pick<StorageManager, "persist" | "persisted" | "estimate">;

/** Ask for it, once something is worth keeping. */
export async function askToPersist(storage = here()): Promise<boolean> {
  if (!storage?.persist) return false;
  return (await isPersisted(storage)) || (await storage.persist().catch(() => false));
}

export async function isPersisted(storage = here()): Promise<boolean> {
  return storage?.persisted ? storage.persisted().catch(() => false) : false;
}

export async function room(storage = here()): Promise<Room> {
  const estimate = storage?.estimate ? await storage.estimate().catch(() => null) : null;
  return {
    persisted: await isPersisted(storage),
    used: estimate?.usage ?? null,
    quota: estimate?.quota ?? null,
  };
}

function here(): Partial<Storage> | undefined {
  return (globalThis.navigator as Navigator | undefined)?.storage;
}
