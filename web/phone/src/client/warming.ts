/**
 * While the lock is shown: the code that unlocking runs is run once, so that the engine has compiled it by the
 * time the PIN is there. All of it on random values that go nowhere: before the PIN there is nothing secret to
 * work on, and nothing is derived.
 */

import { argon2id } from "hash-wasm";
import { suite } from "../mls";
import { randomBytes } from "../wire/bytes";
import { publicKey, sign } from "../wire/certificate";
import { sealGuess } from "../wire/unlock";

/** Argon2's code, and not its time: 64 KiB in place of 64 MiB. */
const SMALL = { iterations: 1, parallelism: 1, memorySize: 64, hashLength: 32 } as const;

/** `service`: the share service's public key. Gives the thread back between its parts. */
export async function warm(service: Uint8Array): Promise<void> {
  const parts: (() => unknown)[] = [
    () => argon2id({ password: randomBytes(8), salt: randomBytes(32), ...SMALL }),
    () =>
      sealGuess(service, {
        device: randomBytes(16),
        challenge: randomBytes(32),
        auth: randomBytes(32),
        answer_key: randomBytes(32),
        signature: randomBytes(64),
      }),
    () => {
      const key = randomBytes(32);
      publicKey(key);
      sign(key, new Uint8Array(64));
    },
    () => suite(),
  ];
  for (const part of parts) {
    await part();
    // Somebody may have sent their PIN meanwhile.
    await new Promise((next) => setTimeout(next));
  }
}
