/**
 * A message shown to the organisation's officers, with what proves who said it (docs/protocol.md section 15). The
 * phone makes them; officers' programs open and check them.
 */

import { type Bytes, bigEndian, concat, utf8 } from "./bytes";
import { sign } from "./certificate";
import { MAX_CONTENT } from "./content";
import { error } from "./errors";
import { bytes, int, list, type Of, struct, text } from "./shape";
import { bodyBytes, packed } from "./signing";
import { sealTo } from "./unlock";

const MAGIC = "chappe report v1\n";
const CONTEXT = "chappe report v1";
const STEP = 1024;
export const SUFFIX = ".chappe-report";
export const MAX_REASON = 2000;

const seconds = int(0, Number.MAX_SAFE_INTEGER);
const exhibit = struct({
  signed: bytes(1, MAX_CONTENT + 16 * 1024),
  signature: bytes(64),
  certificate: bytes(1, 1024),
  at: seconds,
});
const reportShape = struct({
  version: int(1, 1),
  id: bytes(16),
  server: text(1, 253),
  fleet_key: bytes(32),
  conversation: bytes(16, 32),
  reporter: bytes(1, 1024),
  made_at: seconds,
  reason: text(1, MAX_REASON),
  exhibits: list(exhibit, 1, 2),
});
const signedShape = struct({
  body: bytes(1, 2 * MAX_CONTENT + 64 * 1024),
  signature: bytes(64),
});

/**
 * One message as its sender's device signed it. `signed`: MLS's FramedContentTBS; `certificate`: of that device;
 * `at`: when the relay took it in, as this device was told.
 */
export type Exhibit = Of<typeof exhibit>;
export type Report = Of<typeof reportShape>;

/** The file, signed by this device and sealed to the officers. Throws roster.invalid for a key that is none. */
export async function sealReport(
  sealKey: Uint8Array,
  report: Report,
  deviceKey: Uint8Array,
): Promise<Bytes> {
  const body = packed(reportShape, report);
  const signature = sign(deviceKey, bodyBytes(CONTEXT, body));
  const encoded = packed(signedShape, { body, signature });
  const padded = new Uint8Array(Math.ceil((encoded.length + 4) / STEP) * STEP);
  padded.set(concat(bigEndian(encoded.length, 4), encoded));
  try {
    return concat(utf8(MAGIC), await sealTo(sealKey, utf8(CONTEXT), padded));
  } catch {
    throw error("roster.invalid");
  }
}
