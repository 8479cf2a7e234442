/** What the service worker says of pushes and notices, handed to the session. */
import type { Heard, Said } from "../../sw/push.ts";
import type { Session } from "./session.svelte.ts";

export function hearKnocks(session: Session): void {
  const container = navigator.serviceWorker as ServiceWorkerContainer | undefined;
  container?.addEventListener("message", ({ data, ports }: MessageEvent<Said>) => {
    // A worker of an earlier release gives no port, and waits for nothing.
    const tell = (heard: Heard) => ports[0]?.postMessage(heard);
    if (data.type === "knock") session.knocked(tell).catch(() => {});
    if (data.type === "opened") session.opened(data.tag);
  });
  container?.startMessages();
}
