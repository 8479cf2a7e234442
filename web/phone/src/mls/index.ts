/** MLS on the phone (RFC 9420): bytes in, bytes and a new state out, as `chappe.mls` in Python. */

export { blankMessage } from "./blank";
export { concat, opaque, same } from "./bytes";
export {
  type Authenticate,
  DESCRIPTION,
  EXTERNAL_SENDERS,
  MAX_LEAF_LIFETIME,
  SUITE,
  suite,
} from "./engine";
export { MlsFault, type MlsFaultKind } from "./errors";
export { dataOf } from "./evidence";
export { type Change, type CommitMade, Group, type Sent } from "./group";
export {
  type Bundle,
  checkKeyPackage,
  createKeyPackage,
  type KeyPackageView,
  type Signer,
  viewKeyPackage,
} from "./keyPackages";
export { type Extension, type ExternalSender, externalSenders, type Member } from "./members";
export { type Peeked, peek, welcomeRefs } from "./messages";
export type { ApplicationMessage, CommitApplied, ProposalReceived, Received } from "./receiving";
export { generateSealingKeys, openWithLabel, type SealingKeys, sealWithLabel } from "./sealing";
