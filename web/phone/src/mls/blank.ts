/** A message that opens nowhere: random bytes in the form of a PrivateMessage, as `chappe.mls.blank`. */

import { contentTypes, protocolVersions, wireformats } from "ts-mls";
import { write } from "./messages";

/**
 * An application message by its header. Whoever has no key of the group cannot tell it from a real one, and its
 * sender has used no key for it.
 */
export const blankMessage = (
  group: { id: Uint8Array; epoch: number },
  authenticatedData: Uint8Array,
  encryptedSenderData: Uint8Array,
  ciphertext: Uint8Array,
): Uint8Array =>
  write({
    version: protocolVersions.mls10,
    wireformat: wireformats.mls_private_message,
    privateMessage: {
      groupId: group.id,
      epoch: BigInt(group.epoch),
      contentType: contentTypes.application,
      authenticatedData,
      encryptedSenderData,
      ciphertext,
    },
  });
