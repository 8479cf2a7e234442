/**
 * How a device lets another one into its line, for the transparency log; twin of a part of
 * chappe/wire/log_entries.py.
 */

import { sha256 } from "@noble/hashes/sha2.js";
import { type Bytes, concat, lengthPrefixed, utf8 } from "./bytes";

const LINE = utf8("chappe log line v1");
const DEVICE = utf8("chappe log device v1");
const ADDED = utf8("chappe log device added v1");

/** What stands for a line: only who knows `salt` can hold it against an address. */
export const lineCommitment = (salt: Bytes, line: Bytes, address: string): Bytes =>
  digest(LINE, salt, line, utf8(address));

export const deviceHash = (device: Bytes): Bytes => digest(DEVICE, device);

/** Of the certificate's bytes, as they stand in the MLS credential. */
export const certificateHash = (certificate: Bytes): Bytes => digest(certificate);

/** What the device signs that lets the other one in: 32 bytes each. */
export const endorsementBytes = (
  line: Bytes,
  device: Bytes,
  certificate: Bytes,
  signatureKey: Bytes,
): Bytes => lengthPrefixed(ADDED, line, device, certificate, signatureKey);

const digest = (...parts: Bytes[]): Bytes => new Uint8Array(sha256(concat(...parts)));
