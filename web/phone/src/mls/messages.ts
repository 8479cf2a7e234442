/** MLSMessages from outside: what one can see without a key, and nothing that does not fit whole. */

import {
  contentTypes,
  decode,
  encode,
  type MlsMessage,
  mlsMessageDecoder,
  mlsMessageEncoder,
  protocolVersions,
  wireformats,
} from "ts-mls";
import { same } from "./bytes";
import { malformed } from "./errors";

export type Peeked =
  | { kind: "welcome" }
  | { kind: "key_package" }
  | { kind: "group_info" }
  | {
      kind: "private" | "public";
      group: Uint8Array;
      epoch: number;
      content: "application" | "proposal" | "commit";
      /** Of a private message nobody has checked it yet. */
      authenticatedData: Uint8Array;
    };

/** Throws a `malformed` fault, also for bytes after the end and for epochs above 2^53. */
export function parseMessage(bytes: Uint8Array): MlsMessage {
  let message: MlsMessage | undefined;
  try {
    message = decode(mlsMessageDecoder, bytes);
  } catch {
    throw malformed("not an MLSMessage");
  }
  // ts-mls ignores what comes after the end, and takes spellings that are not the shortest.
  if (message === undefined || message.version !== protocolVersions.mls10)
    throw malformed("not an MLSMessage");
  if (!same(encode(mlsMessageEncoder, message), bytes)) throw malformed("not an MLSMessage alone");
  return message;
}

/** What kind of message this is, for which group and epoch. Throws a `malformed` fault. */
export const peek = (bytes: Uint8Array): Peeked => view(parseMessage(bytes));

export function view(message: MlsMessage): Peeked {
  switch (message.wireformat) {
    case wireformats.mls_welcome:
      return { kind: "welcome" };
    case wireformats.mls_key_package:
      return { kind: "key_package" };
    case wireformats.mls_group_info:
      return { kind: "group_info" };
    case wireformats.mls_private_message: {
      return framed("private", message.privateMessage);
    }
    case wireformats.mls_public_message: {
      return framed("public", message.publicMessage.content);
    }
  }
}

function framed(
  kind: "private" | "public",
  seen: { groupId: Uint8Array; epoch: bigint; contentType: number; authenticatedData: Uint8Array },
): Peeked {
  const { groupId, epoch, contentType, authenticatedData } = seen;
  return {
    kind,
    group: groupId,
    epoch: safe(epoch),
    content: name(contentType),
    authenticatedData,
  };
}

/** The key package references that a Welcome is for. Throws a `malformed` fault. */
export function welcomeRefs(bytes: Uint8Array): Uint8Array[] {
  const message = parseMessage(bytes);
  if (message.wireformat !== wireformats.mls_welcome) throw malformed("not a Welcome");
  return message.welcome.secrets.map((secret) => secret.newMember);
}

export const write = (message: MlsMessage): Uint8Array => encode(mlsMessageEncoder, message);

function safe(epoch: bigint): number {
  if (epoch > BigInt(Number.MAX_SAFE_INTEGER)) throw malformed("an epoch that nobody reaches");
  return Number(epoch);
}

function name(type: number): "application" | "proposal" | "commit" {
  if (type === contentTypes.application) return "application";
  return type === contentTypes.commit ? "commit" : "proposal";
}
