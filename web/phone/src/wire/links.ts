/**
 * The texts that people scan or paste (docs/protocol.md section 4).
 *
 *     chappe://HOST:PORT/a/CODE#PIN                      activate a line
 *     chappe://HOST:PORT/a/CODE/FLEET#PIN                activate a line of an organisation
 *     chappe://HOST:PORT/l/RENDEZVOUS/KEYHASH#PIN        add a device to a line
 */

import { fromBase64, toBase64 } from "./api";
import type { Bytes } from "./bytes";
import { parse as parseCode, show as showCode } from "./codes";
import { type ChappeError, error } from "./errors";

export const DEFAULT_PORT = 443;
const MAX_TEXT = 1024;
const HOST = String.raw`(?<host>\[[0-9a-f:.]{2,45}\]|[a-z0-9.-]{1,253})(:(?<port>[0-9]{1,5}))?`;
const FORM = new RegExp(
  `^chappe://${HOST}/(?<kind>[al])/(?<rest>[A-Za-z0-9_/-]{1,200})(#(?<pin>[A-Za-z0-9_-]{43}))?$`,
);
const PLACE = new RegExp(`^${HOST}$`);

/** Where a relay is, and the SHA-256 its certificate must have (null: publicly trusted). */
export interface RelayPlace {
  host: string;
  port: number;
  pin: Bytes | null;
}

/** `code` in its canonical form; `fleetKey` of the organisation that it makes a line for, or empty. */
export interface ActivationLink {
  kind: "activation";
  place: RelayPlace;
  code: string;
  fleetKey: Bytes;
}

/** Shown by the new device. `keyHash`: SHA-256 of the X-Wing public key that it left at `rendezvous`. */
export interface DeviceLink {
  kind: "device";
  place: RelayPlace;
  rendezvous: Bytes;
  keyHash: Bytes;
}

export type Link = ActivationLink | DeviceLink;

/** `host:port` as a URL has it. */
export function authority(place: RelayPlace): string {
  return `${place.host}:${place.port}`;
}

/** The text of a link. */
export function show(link: Link): string {
  const { place } = link;
  const path =
    link.kind === "activation"
      ? `a/${showCode(link.code)}${link.fleetKey.length > 0 ? `/${toBase64(link.fleetKey)}` : ""}`
      : `l/${toBase64(link.rendezvous)}/${toBase64(link.keyHash)}`;
  return `chappe://${authority(place)}/${path}${place.pin ? `#${toBase64(place.pin)}` : ""}`;
}

/** What a person scanned or pasted. Throws link.malformed, code.malformed. */
export function parse(text: string): Link {
  const found = text.length <= MAX_TEXT ? FORM.exec(text.trim())?.groups : undefined;
  if (found === undefined) throw malformed();
  const place = placeOf(found);
  const [first, second] = halves(found.rest ?? "");
  if (found.kind === "a") {
    const fleetKey = second === null ? new Uint8Array() : exactly(second, 32);
    return { kind: "activation", place, code: parseCode(first), fleetKey };
  }
  if (second === null) throw malformed();
  return { kind: "device", place, rendezvous: exactly(first, 16), keyHash: exactly(second, 32) };
}

/** `HOST[:PORT]` as a person types it; `pin` as base64url. Throws link.malformed. */
export function parsePlace(text: string, pin?: string): RelayPlace {
  const found = PLACE.exec(text.trim().toLowerCase())?.groups;
  if (found === undefined) throw malformed();
  return placeOf({ ...found, pin: pin || undefined });
}

function halves(rest: string): [string, string | null] {
  const slash = rest.indexOf("/");
  return slash < 0 ? [rest, null] : [rest.slice(0, slash), rest.slice(slash + 1)];
}

function placeOf(found: Record<string, string | undefined>): RelayPlace {
  const port = Number(found.port ?? DEFAULT_PORT);
  if (port <= 0 || port >= 65536) throw malformed();
  return { host: found.host ?? "", port, pin: found.pin ? exactly(found.pin, 32) : null };
}

function exactly(text: string, length: number): Bytes {
  try {
    return fromBase64(text, length);
  } catch {
    throw malformed();
  }
}

function malformed(): ChappeError {
  return error("link.malformed");
}
