/** What the driver holds: clients, their key packages and PSKs, and their groups' states. */

import {
  bytesToBase64,
  ciphersuites,
  defaultCredentialTypes,
  defaultKeyRetentionConfig,
  defaultLifetimeConfig,
  defaultKeyPackageEqualityConfig,
  getCiphersuiteImpl,
  protocolVersions,
  unsafeTestingAuthenticationService,
} from "ts-mls";

/**
 * @typedef {object} HeldGroup
 * @property {import("ts-mls").ClientState | undefined} state undefined while an external join is under way
 * @property {import("ts-mls").ClientState | undefined} next where the commit under way leads to
 * @property {Map<string, Uint8Array>} updates private keys of own Update proposals of this epoch, by public key
 */

/** An unknown but lawful value in every list (section 13.5), the same each time so that tests repeat. */
const GREASE = 0x0a0a;
export const SUITES = [0x0001, 0x0003, 0xf00d];

export class Client {
  /**
   * @param {import("ts-mls").CiphersuiteImpl} suite
   * @param {Uint8Array} identity
   * @param {import("ts-mls").SignatureKeyPair} signer
   */
  constructor(suite, identity, signer) {
    this.suite = suite;
    this.signer = signer;
    /** @type {import("ts-mls").Credential} */
    this.credential = { credentialType: defaultCredentialTypes.basic, identity };
    /** @type {Map<string, {publicPackage: import("ts-mls").KeyPackage, privatePackage: import("ts-mls").PrivateKeyPackage}>} */
    this.keyPackages = new Map();
    /** @type {Record<string, Uint8Array>} external PSKs by the base64 of their id, as ts-mls wants them */
    this.psks = {};
    /** @type {Map<string, HeldGroup>} */
    this.groups = new Map();
  }

  /** @param {number} id @param {Uint8Array} identity */
  static async create(id, identity) {
    const name = Object.keys(ciphersuites).find((key) => ciphersuites[key] === id);
    if (name === undefined || !SUITES.includes(id)) throw new TypeError(`no cipher suite ${id}`);
    const suite = await getCiphersuiteImpl(name);
    return new Client(suite, identity, await suite.signature.keygen());
  }

  /** @param {Uint8Array} id @param {Uint8Array} secret */
  addPsk(id, secret) {
    this.psks[bytesToBase64(id)] = secret;
  }

  /** @returns {import("ts-mls").Capabilities} */
  get capabilities() {
    return {
      versions: [protocolVersions.mls10],
      ciphersuites: [...SUITES, GREASE],
      extensions: [GREASE],
      proposals: [GREASE],
      credentials: [defaultCredentialTypes.basic, GREASE],
    };
  }

  /**
   * @param {number} [padding] zero bytes in each PrivateMessage made
   * @returns {import("ts-mls").MlsContext}
   */
  context(padding = 0) {
    return {
      cipherSuite: this.suite,
      authService: unsafeTestingAuthenticationService,
      externalPsks: this.psks,
      clientConfig: {
        keyRetentionConfig: defaultKeyRetentionConfig,
        lifetimeConfig: defaultLifetimeConfig,
        keyPackageEqualityConfig: defaultKeyPackageEqualityConfig,
        paddingConfig: { kind: "alwaysPad", paddingLength: padding },
      },
    };
  }

  /** @param {string} name @returns {HeldGroup} @throws {ReferenceError} */
  group(name) {
    const held = this.groups.get(name);
    if (held === undefined) throw new ReferenceError(`no group ${name}`);
    return held;
  }

  /** @param {string} name @returns {HeldGroup & {state: import("ts-mls").ClientState}} @throws {ReferenceError} */
  joined(name) {
    const held = this.group(name);
    if (held.state === undefined) throw new ReferenceError(`group ${name} is not joined yet`);
    return held;
  }
}
