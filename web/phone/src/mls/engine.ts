/** ts-mls, mended, with the settings of Chappe's profile (DESIGN section 4). */

import { ed25519 } from "@noble/curves/ed25519.js";
import * as tsMls from "ts-mls";
import { MlsFault } from "./errors";

if (!(tsMls as { mended?: boolean }).mended)
  throw new Error("ts-mls is not mended: build with the plugin of mls/mends.ts");

/** MLS_256_XWING_AES256GCM_SHA512_Ed25519: private use until one is registered. */
export const SUITE = 0xf00d;
/** GroupContext extension type of a conversation's description (docs/protocol.md section 9.1). */
export const DESCRIPTION = 0xf0c4;
export const LAST_RESORT = 0x000a;
export const EXTERNAL_SENDERS = 0x0005;

export const MAX_PAST_EPOCHS = 2;
/** Keys of past epochs are kept so long, in seconds. */
export const PAST_EPOCH_SECONDS = 24 * 3600;
export const MAX_SKIPPED_GENERATIONS = 1000;
/** The longest lifetime that a leaf may claim, in seconds (RFC 9420 section 7.2). */
export const MAX_LEAF_LIFETIME = 400 * 24 * 3600;

/**
 * Asked about every leaf that comes in, and (`external`) about every sender from outside the group: throws
 * what is to be raised. `identity` is that of a `basic` credential; there is no other kind.
 */
export type Authenticate = (
  identity: Uint8Array,
  signatureKey: Uint8Array,
  external: boolean,
) => void | Promise<void>;

let loaded: Promise<tsMls.CiphersuiteImpl> | undefined;

export function suite(): Promise<tsMls.CiphersuiteImpl> {
  loaded ??= load();
  return loaded;
}

async function load(): Promise<tsMls.CiphersuiteImpl> {
  const made = await tsMls.getCiphersuiteImpl("MLS_256_XWING_AES256GCM_SHA512_Ed25519");
  return (await platformSigns()) ? made : { ...made, signature: inScript };
}

/** Browsers have Ed25519 in WebCrypto since 2023 (Safari) to 2025 (Chrome); others sign in JavaScript. */
async function platformSigns(): Promise<boolean> {
  try {
    await crypto.subtle.generateKey("Ed25519", false, ["sign", "verify"]);
    return true;
  } catch {
    return false;
  }
}

const inScript: tsMls.CiphersuiteImpl["signature"] = {
  sign: async (key, message) => ed25519.sign(message, key),
  verify: async (key, message, signature) => {
    try {
      return ed25519.verify(signature, message, key);
    } catch {
      return false;
    }
  },
  keygen: async () => {
    const signKey = ed25519.utils.randomSecretKey();
    return { signKey, publicKey: ed25519.getPublicKey(signKey) };
  },
};

/** What this client's leaves say of themselves. */
export const capabilities = (): tsMls.Capabilities => ({
  versions: [tsMls.protocolVersions.mls10],
  ciphersuites: [SUITE],
  extensions: [LAST_RESORT, DESCRIPTION],
  proposals: [],
  credentials: [tsMls.defaultCredentialTypes.basic],
});

export const basic = (identity: Uint8Array): tsMls.Credential => ({
  credentialType: tsMls.defaultCredentialTypes.basic,
  identity,
});

/**
 * Run one operation of ts-mls. What the hook raised is raised; everything else that goes wrong over bytes
 * from outside is an `invalid` fault.
 */
export async function run<T>(
  authenticate: Authenticate | null,
  padding: number,
  operation: (context: tsMls.MlsContext) => Promise<T>,
): Promise<T> {
  let refused: { reason: unknown } | undefined;
  const validateCredential = async (
    credential: tsMls.Credential,
    key: Uint8Array,
    external = false,
  ): Promise<boolean> => {
    if (!("identity" in credential) || !(credential.identity instanceof Uint8Array)) return false;
    try {
      await authenticate?.(credential.identity, key, external);
      return true;
    } catch (reason) {
      refused = { reason };
      return false;
    }
  };
  const context: tsMls.MlsContext = {
    cipherSuite: await suite(),
    authService: { validateCredential },
    clientConfig: {
      keyRetentionConfig: {
        retainKeysForEpochs: MAX_PAST_EPOCHS,
        retainKeysForGenerations: MAX_SKIPPED_GENERATIONS,
        maximumForwardRatchetSteps: MAX_SKIPPED_GENERATIONS,
      },
      lifetimeConfig: {
        maximumTotalLifetime: BigInt(MAX_LEAF_LIFETIME),
        validateLifetimeOnReceive: false,
      },
      keyPackageEqualityConfig: tsMls.defaultKeyPackageEqualityConfig,
      paddingConfig: { kind: "alwaysPad", paddingLength: padding },
    },
  };
  try {
    return await operation(context);
  } catch (problem) {
    if (refused !== undefined) throw refused.reason;
    throw asFault(problem);
  }
}

function asFault(problem: unknown): MlsFault {
  if (problem instanceof MlsFault) return problem;
  const text = problem instanceof tsMls.MlsError ? problem.message : "";
  // The one way to tell: a generation that is over, with no key kept for it.
  if (text === "Desired gen in the past")
    return new MlsFault("consumed", "the key was used before");
  return new MlsFault("invalid", text || "the engine could not go on");
}
