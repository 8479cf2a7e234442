/** A browser's subscription, as its `toJSON` spells it: base64url without padding. */
import { expect, test } from "vitest";
import { leaveSubscription } from "../../src/client/pushes.ts";
import type { FromDevice } from "../../src/wire/frames.ts";

// The example of RFC 8291, section 5.
const P256DH =
  "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
const AUTH = "BTBZMqHH6r4Tts7J_aSIgg";
const ENDPOINT = "https://push.example/1";

async function left(given: PushSubscriptionJSON | null): Promise<FromDevice | undefined> {
  let said: FromDevice | undefined;
  await leaveSubscription(
    {
      ask: async (make) => {
        said = make(7);
        return undefined as never;
      },
    },
    given,
  );
  return said;
}

test("a browser's keys are taken as they are", async () => {
  const frame = await left({ endpoint: ENDPOINT, keys: { p256dh: P256DH, auth: AUTH } });
  const push = {
    endpoint: ENDPOINT,
    p256dh: Uint8Array.from(Buffer.from(P256DH, "base64url")),
    auth: Uint8Array.from(Buffer.from(AUTH, "base64url")),
  };
  expect([push.p256dh.length, push.auth.length]).toEqual([65, 16]);
  expect(frame).toEqual({ t: "subscribe", ref: 7, push });
});

test("none ends it", async () => {
  expect(await left(null)).toEqual({ t: "subscribe", ref: 7, push: null });
});

test.each([
  [{ endpoint: ENDPOINT }],
  [{ endpoint: ENDPOINT, keys: { p256dh: P256DH } }],
  [{ endpoint: ENDPOINT, keys: { p256dh: AUTH, auth: AUTH } }],
  [{ endpoint: ENDPOINT, keys: { p256dh: P256DH, auth: `${AUTH}==` } }],
])("what is no subscription is refused: %j", async (given) => {
  await expect(left(given)).rejects.toMatchObject({ code: "http.malformed" });
});
