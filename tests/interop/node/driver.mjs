/**
 * ts-mls behind a line protocol, for Chappe's interoperation tests.
 *
 * One JSON object a line on standard input, one on standard output, in the same order:
 *
 *     {"id": 1, "op": "encrypt", "client": "ann", "group": "g", "data": "6869"}
 *     {"id": 1, "ok": {"message": "0001..."}}      or      {"id": 1, "error": {"type": "...", "message": "..."}}
 *
 * Bytes are hex strings, in both directions; messages are whole MLSMessages. The operations are in ops.mjs.
 * With `--mended`, ts-mls is loaded with the corrections of mends.mjs; without, as it was published.
 *
 * Quirks of ts-mls 2.0.0-rc.10 (sections of RFC 9420 in brackets). mends.mjs corrects these:
 *
 *   1 A commit of exactly one Update or one Remove carries no update path, and such a commit is taken: it says
 *     `length > 1` for `length > 0`. Who is removed that way can compute the next epoch's secrets [12.4].
 *   2 A joiner refuses a good tree in which nodes on one direct path have different `unmerged_leaves` [12.4.3.1].
 *   3 A committer encrypts path secrets to the keys of the tree before the proposals: to the old key of a leaf
 *     that an Update replaced, and where a commit both removes and adds, to the removed member for the new one
 *     on its leaf, who thereby reads on. New leaves are not left out of the ciphertexts [7.6, 12.4.1].
 *  19 The `external_pub` of a GroupInfo is the bare key, made and read without its length: nobody else's client
 *     can come in by it, nor a client of ts-mls by anybody else's [12.4.3.2].
 *  20 While one half of the tree is empty, the root is blank and on nobody's filtered path; a receiver goes on
 *     to it all the same and gets another commit secret: it refuses every good commit from then on [7.4].
 *
 * The driver goes round these:
 *
 *   4 `processMessage` forgets the external PSKs for a PrivateMessage; `processPrivateMessage` does not.
 *   5 There is no way to make an Update proposal: nothing exported signs a leaf, and no state keeps its private
 *     key. The leaf is made with an internal module; the key goes into `privatePath` of the state that meets
 *     the commit which carries the Update (update.mjs).
 *   6 A member cannot process the commit that removes it: there is no path secret for it, and an InternalError
 *     comes instead of the state `removedFromGroup`. The callback sees the Remove and stops there, in time.
 *   7 `createCommit` leaves the old state alone, so that a commit can be dropped; but its new state holds the
 *     old epoch's message keys as they were then, and what was spent meanwhile would come back (`adopt`).
 *   8 `consumed` lists secrets to be overwritten, the old state's `initSecret` among them: to overwrite them
 *     before a commit is accepted destroys the state to fall back to. Nothing is overwritten here.
 *   9 Default capabilities and key package extensions hold GREASE values by chance. Here they are fixed.
 *  10 The default padding is up to 256 bytes, of proposals and commits too. `padding` is set for each message.
 *  11 `joinGroupExternal` never ends for a `resync` without a former leaf, and it cannot carry PSKs.
 *
 * These stay:
 *
 *  12 A path cannot be asked for: a commit of Adds and PSKs only has none, an empty commit always has one.
 *  13 A commit takes every pending proposal along; an own Update among them makes it fail [12.2].
 *  14 Application messages are refused while proposals are pending, which is right [12.4].
 *  15 A commit of GroupContextExtensions has no path and is taken without one [12.4]; where there is one, its
 *     ciphertexts are made for the old extensions. An empty list of extensions is not applied.
 *  16 Bytes after the end of an MLSMessage are ignored; a decoder gives `undefined` for bad ones.
 *  17 Ten message keys that were skipped are kept for each sender, four epochs, 200 steps ahead (a setting).
 *  18 `maximumTotalLifetime` is not looked at. A lifetime is looked at by the committer only.
 *  21 The extension `external_senders` is read as one sender, not as a list: a Welcome into a group that has it
 *     cannot be read [12.1.8.1].
 *  22 The Remove of an external commit may name anybody's leaf; whose it is, the callback has to look [12.4.3.2].
 */

import { register } from "node:module";
import { createInterface } from "node:readline";

if (process.argv.includes("--mended")) register("./mends.mjs", import.meta.url);

const { operations } = await import("./ops.mjs");

/**
 * @param {string} line
 * @returns {Promise<object>} the answer; never throws
 */
async function answer(line) {
  let id = null;
  try {
    const { id: given, op, ...args } = JSON.parse(line);
    id = given;
    if (!Object.hasOwn(operations, op)) throw new TypeError(`no operation ${op}`);
    return { id, ok: await operations[op](args) };
  } catch (error) {
    return { id, error: { type: error?.constructor?.name ?? "Error", message: String(error?.message ?? error) } };
  }
}

// One request at a time: an operation reads a state and puts the next one in its place.
for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
  process.stdout.write(`${JSON.stringify(await answer(line))}\n`);
}
