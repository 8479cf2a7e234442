/**
 * Lookups of many lines at once. The relay answers one socket's requests in order and takes many of them, so
 * that what takes time, the way there and back and the durable write, is paid once and not for each.
 */

import { fromHex } from "../wire/bytes";
import { ChappeError } from "../wire/errors";
import type { Typed } from "../wire/frames";
import type { Answered, Contacts } from "./contacts";
import type { Wire } from "./wire";

/** Lookups under way. With key packages each counts 256 KiB at the relay, which reads on at 4 MiB. */
export const MANY = 16;

/** `devices`: of these alone, of all for null. */
export interface Asked {
  address: string;
  devices: string[] | null;
  packages: boolean;
}

/**
 * By address: the line's devices, checked, and kept as known; or what the relay, the network or the check
 * refused it with. Raises storage.*.
 */
export async function askMany(
  wire: Wire,
  contacts: Contacts,
  asked: Asked[],
): Promise<Map<string, Answered[] | ChappeError>> {
  const refused = new Map<string, ChappeError>();
  const lines = new Map<string, Typed<"line">>();
  await Promise.all(
    asked.map(async ({ address, devices, packages }) => {
      const named = devices?.map(fromHex) ?? null;
      try {
        const line = await wire.ask(
          (ref) => ({ t: "lookup", ref, address, key_packages: packages, devices: named }),
          "line",
        );
        lines.set(address, line);
      } catch (problem) {
        if (!(problem instanceof ChappeError)) throw problem;
        refused.set(address, problem);
      }
    }),
  );
  return new Map([...refused, ...(await contacts.takeAnswers(lines))]);
}

/** In their order, so many at a time. */
export function* inTurns<T>(all: readonly T[], many = MANY): Generator<T[]> {
  for (let start = 0; start < all.length; start += many) yield all.slice(start, start + many);
}
