/** The phone in its worker, as the pages call it. */
import { proxy, wrap } from "comlink";
import type { PhoneFace } from "../client/face.ts";
import workerUrl from "../client/worker.ts?worker&url";
import type { Wrap } from "./model/session.svelte.ts";
import { scriptUrl } from "./model/trusted.ts";

export function connect(): { phone: PhoneFace; wrap: Wrap } {
  const worker = new Worker(scriptUrl(workerUrl), { type: "module", name: "phone" });
  return {
    phone: wrap<PhoneFace>(worker) as unknown as PhoneFace,
    wrap: (callback) => proxy(callback),
  };
}
