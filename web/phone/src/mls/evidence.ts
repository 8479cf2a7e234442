/** What a member signed, as a receiver may show it to others (RFC 9420 section 6.1). */

import { Reader } from "./bytes";
import { malformed } from "./errors";

const APPLICATION = 1;

/** The application data in a FramedContentTBS. Throws a `malformed` fault. */
export function dataOf(signed: Uint8Array): Uint8Array {
  const reader = new Reader(signed);
  reader.number(4);
  reader.opaque();
  reader.number(8);
  reader.number(1);
  reader.number(4);
  reader.opaque();
  if (reader.number(1) !== APPLICATION) throw malformed("not application data");
  return reader.opaque();
}
