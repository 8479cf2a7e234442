/**
 * What an officer and a person who lost their phone hand each other (docs/protocol.md section 12.7); twin of
 * chappe/wire/recovery.py.
 *
 *     chappe://HOST:PORT/r/LINE/FLEET/ADDRESS#PIN     officer to person: which line, of which organisation
 *     chappe-request:CERTIFICATE                      person to officer: the new phone's certificate
 *
 * Neither is secret. Whoever passes them on could put another in their place: person and officers compare the
 * request's sixty digits by voice. These are of the certificate, and not of HOST, PORT and PIN: whoever changes those
 * in a link stands where a relay stands, as with an activation link. A page goes to no other relay than its own.
 */

import { sha512 } from "@noble/hashes/sha2.js";
import { fromBase64, toBase64 } from "./api";
import { type Bytes, concat, fromUtf8, utf8 } from "./bytes";
import { checkAddress } from "./certificate";
import { error } from "./errors";
import { authority, parsePlace, type RelayPlace } from "./links";

const CONTEXT = utf8("chappe recovery request v1\0");
const REQUEST = "chappe-request:";
const MAX_TEXT = 2048;
const DIGITS = 60;
const FORM =
  /^chappe:\/\/(?<place>[^/#\s]{1,270})\/r\/(?<line>[\w-]{22})\/(?<fleet>[\w-]{43})\/(?<address>[\w-]{1,430})(#(?<pin>[\w-]{43}))?$/;

/** `line`: its id, 16 bytes. `fleetKey`: of its organisation, 32. */
export interface RecoveryLink {
  place: RelayPlace;
  line: Bytes;
  fleetKey: Bytes;
  address: string;
}

/** The text of a link. */
export function showRecovery({ place, line, fleetKey, address }: RecoveryLink): string {
  const parts = [line, fleetKey, utf8(address)].map(toBase64).join("/");
  return `chappe://${authority(place)}/r/${parts}${place.pin ? `#${toBase64(place.pin)}` : ""}`;
}

/** Throws link.malformed, also for another spelling of what would be one. */
export function parseRecovery(pasted: string): RecoveryLink {
  const text = pasted.trim();
  const found = text.length <= MAX_TEXT ? FORM.exec(text)?.groups : undefined;
  if (found === undefined) throw error("link.malformed");
  const { place = "", line = "", fleet = "", address = "", pin } = found;
  try {
    const link = {
      place: parsePlace(place, pin),
      line: fromBase64(line, 16),
      fleetKey: fromBase64(fleet, 32),
      address: checkAddress(fromUtf8(fromBase64(address))),
    };
    if (showRecovery(link) === text) return link;
  } catch {
    // Said below.
  }
  throw error("link.malformed");
}

/** What the person sends to the officer. */
export function request(certificate: Bytes): string {
  return REQUEST + toBase64(certificate);
}

/** Sixty digits in twelve groups, which person and officers compare by voice. */
export function requestDigits(certificate: Bytes): string {
  let number = 0n;
  for (const byte of sha512(concat(CONTEXT, certificate))) number = (number << 8n) | BigInt(byte);
  const text = (number % 10n ** BigInt(DIGITS)).toString().padStart(DIGITS, "0");
  return text.match(/.{5}/g)?.join(" ") ?? "";
}
