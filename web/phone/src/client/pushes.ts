/** Where this browser is knocked for, left with the relay. */

import { fromBase64 } from "../wire/api";
import { error } from "../wire/errors";
import type { Connection } from "./connection";

const POINT_BYTES = 65;
const AUTH_BYTES = 16;

/** null: no more. Throws http.malformed for what is no subscription, what the relay refuses with, network.*. */
export async function leaveSubscription(
  connection: Pick<Connection, "ask">,
  subscription: PushSubscriptionJSON | null,
): Promise<void> {
  const push = subscription === null ? null : address(subscription);
  await connection.ask((ref) => ({ t: "subscribe", ref, push }), "done");
}

function address({ endpoint, keys }: PushSubscriptionJSON) {
  const { p256dh, auth } = keys ?? {};
  if (!endpoint || !p256dh || !auth)
    throw error("http.malformed", "The browser gave no whole push subscription.");
  return {
    endpoint,
    p256dh: fromBase64(p256dh, POINT_BYTES),
    auth: fromBase64(auth, AUTH_BYTES),
  };
}
