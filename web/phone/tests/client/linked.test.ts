/** A device that is let in looks at what the other one made for it. */

import { describe, expect, it } from "vitest";
import { linked, newLine, newSigner } from "../../src/client/identity";
import { verifies } from "../../src/wire/certificate";
import {
  certificateHash,
  deviceHash,
  endorsementBytes,
  lineCommitment,
} from "../../src/wire/endorsing";

const place = { host: "relay.example", port: 443, pin: null };
const old = newLine("ada@relay.example", place, new Uint8Array(), 1);
const signer = newSigner();
const deviceId = new Uint8Array(16).fill(7);
const certificate = old.certify(deviceId, signer.publicKey, 2);
const given = { signer, deviceId, identity: old.identity, certificate, place };

describe("what the old device answers", () => {
  it("is taken if it is about this device", () => {
    const me = linked(given);
    expect(me.address).toBe(old.address);
    expect(me.certificate.lineId).toEqual(old.certificate.lineId);
    expect(me.certificate.signatureKey).toEqual(signer.publicKey);
  });

  it.each([
    ["another device", { deviceId: new Uint8Array(16) }],
    ["another signature key", { signer: newSigner() }],
    ["another line's identity", { identity: newLine("b@c", place, new Uint8Array(), 1).identity }],
  ])("is refused for %s", (_what, changes) => {
    expect(() => linked({ ...given, ...changes })).toThrow(
      expect.objectContaining({ code: "link.malformed" }),
    );
  });

  it("is refused where the certificate does not hold", () => {
    const bent = certificate.slice();
    bent[bent.length - 1] = (bent[bent.length - 1] ?? 0) ^ 1;
    expect(() => linked({ ...given, certificate: bent })).toThrow(
      expect.objectContaining({ code: "certificate.invalid" }),
    );
  });

  it("is endorsed by the old device's own key", () => {
    const salt = new Uint8Array(32).fill(1);
    const line = lineCommitment(salt, old.certificate.lineId, old.address);
    const signed = endorsementBytes(
      line,
      deviceHash(deviceId),
      certificateHash(certificate),
      signer.publicKey,
    );
    const key = old.certificate.signatureKey;
    expect(verifies(key, signed, old.endorse(certificate, salt))).toBe(true);
    expect(verifies(key, signed, old.endorse(certificate, new Uint8Array(32)))).toBe(false);
  });
});
