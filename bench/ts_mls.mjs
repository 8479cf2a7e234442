/**
 * `node bench/ts_mls.mjs SUITE SIZES ROUNDS`: what operations cost with ts-mls, as JSON on stdout.
 *
 * One member founds a group and adds all others in one commit; then the founder commits an update, the last member
 * processes it, and they exchange messages of 1 KiB. Medians in milliseconds. The library is the one that the
 * interoperation tests install.
 */

import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const require = createRequire(new URL("../tests/interop/node/package.json", import.meta.url));
const mls = await import(pathToFileURL(require.resolve("ts-mls")).href);

const [suiteId, sizes, rounds] = [Number(process.argv[2]), process.argv[3].split(",").map(Number), Number(process.argv[4])];
const MESSAGES = 50;
const CREDENTIAL_BYTES = 220;

const suiteName = Object.keys(mls.ciphersuites).find((name) => mls.ciphersuites[name] === suiteId);
const suite = await mls.getCiphersuiteImpl(suiteName);
const context = { cipherSuite: suite, authService: mls.unsafeTestingAuthenticationService };

/** @param {number[]} runs */
function summary(runs) {
  const ordered = [...runs].sort((a, b) => a - b);
  return { median: ordered[Math.floor(ordered.length / 2)], runs: ordered.length };
}

/** @template T @param {number[]} runs @param {() => Promise<T>} work @returns {Promise<T>} */
async function take(runs, work) {
  const started = performance.now();
  const result = await work();
  runs.push(performance.now() - started);
  return result;
}

/** @param {number} number */
async function newClient(number) {
  const identity = new Uint8Array(CREDENTIAL_BYTES).fill(number & 0xff);
  new DataView(identity.buffer).setUint32(0, number);
  return mls.generateKeyPackage({
    credential: { credentialType: mls.defaultCredentialTypes.basic, identity },
    lifetime: mls.defaultLifetime(),
    cipherSuite: suite,
  });
}

/** @param {number} size */
async function gather(size) {
  const founder = await newClient(0);
  const others = await Promise.all(Array.from({ length: size - 1 }, (_, number) => newClient(number + 1)));
  const state = await mls.createGroup({
    context,
    groupId: new Uint8Array(16).fill(1),
    keyPackage: founder.publicPackage,
    privateKeyPackage: founder.privatePackage,
  });
  const extraProposals = others.map(({ publicPackage }) => ({
    proposalType: mls.defaultProposalTypes.add,
    add: { keyPackage: publicPackage },
  }));
  const made = await mls.createCommit({ context, state, extraProposals, ratchetTreeExtension: true });
  return { founder: made.newState, welcome: made.welcome.welcome, last: others[size - 2] };
}

/** @param {number} size */
async function measure(size) {
  const [join, commit, processing, encrypt, decrypt] = [[], [], [], [], []];
  const { founder, welcome, last } = await gather(size);
  const joining = () =>
    mls.joinGroup({ context, welcome, keyPackage: last.publicPackage, privateKeys: last.privatePackage });
  let member;
  for (let round = 0; round < rounds; round++) member = await take(join, joining);
  for (let round = 0; round < rounds; round++) {
    const made = await take(commit, () => mls.createCommit({ context, state: founder }));
    const { privateMessage } = made.commit;
    await take(processing, () => mls.processPrivateMessage({ context, state: member, privateMessage }));
  }
  let [sender, receiver] = [founder, member];
  for (let number = 0; number < MESSAGES; number++) {
    const message = new Uint8Array(1024);
    const made = await take(encrypt, () => mls.createApplicationMessage({ context, state: sender, message }));
    sender = made.newState;
    const { privateMessage } = made.message;
    receiver = (await take(decrypt, () => mls.processPrivateMessage({ context, state: receiver, privateMessage })))
      .newState;
  }
  const runs = { join, commit, process: processing, encrypt, decrypt };
  return { members: size, ...Object.fromEntries(Object.entries(runs).map(([name, list]) => [name, summary(list)])) };
}

const results = [];
for (const size of sizes) results.push(await measure(size));
console.log(JSON.stringify(results));
