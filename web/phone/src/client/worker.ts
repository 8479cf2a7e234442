/**
 * The worker in which the phone lives: keys and states are here and nowhere else. The pages get `PhoneFace`
 * through Comlink; an error crosses as `{code, message}`, a class would be lost on the way.
 */

import { expose, proxy, transfer } from "comlink";
import { asChappeError } from "../wire/errors";
import { parsePlace } from "../wire/links";
import type { PhoneFace } from "./face";
import { Phone } from "./phone";

const starting = Phone.start({ here: parsePlace(hereOf(globalThis.location)) });

function hereOf({ hostname, port, protocol }: Location): string {
  return `${hostname}:${port || (protocol === "http:" ? "80" : "443")}`;
}

/** Every method of the face, with errors that survive the crossing. */
const face = new Proxy({} as PhoneFace, {
  get: (_, name) => {
    // Asked of whatever is awaited or exposed; none of it is the phone's.
    if (typeof name !== "string" || name === "then") return undefined;
    return async (...args: unknown[]) => {
      try {
        const phone = await starting;
        const method: unknown = Reflect.get(phone, name);
        if (typeof method !== "function") throw new TypeError("no such call");
        const found: unknown = await method.apply(phone, args);
        if (found instanceof ReadableStream) return transfer(found, [found]);
        return typeof found === "function" ? proxy(found) : found;
      } catch (problem) {
        throw asChappeError(problem).toJSON();
      }
    };
  },
});

expose(face);
