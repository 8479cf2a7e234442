/** Lists that come in pages. */
import { get, type Query } from "../api/client.ts";
import type { Page } from "../api/types.ts";

const MOST = 200;
/** More than a person reads: then a list has its own search. */
const MAX_PAGES = 25;

/** All items of a list that is not long. Throws ApiError. */
export async function everything<T>(path: string, query: Query = {}): Promise<T[]> {
  const found: T[] = [];
  let after: string | null = null;
  for (let page = 0; page < MAX_PAGES; page += 1) {
    const next: Page<T> = await get<Page<T>>(path, { ...query, limit: MOST, after });
    found.push(...next.items);
    after = next.next;
    if (after === null) break;
  }
  return found;
}
