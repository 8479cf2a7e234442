/** Appointing and removing officers: the next roster, and its signatures (as src/chappe/client/appointing.py). */
import { equal } from "../../../phone/src/wire/bytes.ts";
import { error } from "../../../phone/src/wire/errors.ts";
import {
  type Chain,
  checkOfficers,
  type Officer as OnRoster,
  ROSTER_CONTEXT,
  readRoster,
  rosterSignature,
  signRoster,
} from "../../../phone/src/wire/rosters.ts";
import { bodyBytes, check } from "../../../phone/src/wire/signing.ts";
import type { Officer } from "./file.ts";
import { type Change, changeOf, type Draft, type Request } from "./papers.ts";

const lastHash = (chain: Chain) => chain.hashes.at(-1) ?? new Uint8Array(32);

/** The roster after the newest, with these officers, signed by one of those who are on it now. */
export function drafted(
  chain: Chain,
  officers: OnRoster[],
  request: Request | null,
  by: Officer,
  now: number,
): Draft {
  const next = {
    ...chain.roster,
    version: chain.roster.version + 1,
    previous: lastHash(chain),
    officers,
    issued_at: now,
  };
  const roster = signRoster(next, by.fleet, by.id, by.signing);
  return { type: "roster draft", version: 1, roster, request };
}

/**
 * What a draft changes in the newest roster, its signatures checked. Throws file.unreadable: also for one that was
 * made for an older roster, or whose request is not of whom it appoints.
 */
export function checkDraft(chain: Chain, draft: Draft): Change {
  const before = chain.roster;
  const after = readRoster(draft.roster);
  const follows =
    equal(after.organisation, before.organisation) &&
    after.name === before.name &&
    equal(after.fleet_key, before.fleet_key) &&
    equal(after.seal_key, before.seal_key) &&
    after.version === before.version + 1 &&
    equal(after.previous, lastHash(chain));
  if (!follows) throw error("file.unreadable");
  const signed = bodyBytes(ROSTER_CONTEXT, draft.roster.body);
  check(before.fleet_key, draft.roster.fleet_signature, signed, "file.unreadable");
  checkOfficers(before, draft.roster.officers, signed, "file.unreadable");
  return changeOf(before, draft);
}

/** The draft with this officer's signature as well. Throws file.unreadable. */
export function signedAlso(chain: Chain, draft: Draft, by: Officer): Draft {
  checkDraft(chain, draft);
  const others = draft.roster.officers.filter((one) => !equal(one.officer, by.id));
  const mine = rosterSignature(draft.roster.body, by.id, by.signing);
  return { ...draft, roster: { ...draft.roster, officers: [...others, mine] } };
}
