/**
 * An officer at work in the browser. What the relay shows is believed as far as signatures hold: rosters chain on
 * from those in the file, lines are those of their certificates, orders carry the officers' signatures.
 */

import { toBase64 } from "../../../phone/src/wire/api.ts";
import { type Bytes, equal, randomBytes, toHex } from "../../../phone/src/wire/bytes.ts";
import { fromBytes, verifies, verify } from "../../../phone/src/wire/certificate.ts";
import { ChappeError, error } from "../../../phone/src/wire/errors.ts";
import {
  approvalOf,
  checkOfficersOrder,
  checkOwnersOrder,
  checkReceipt,
  type FleetPolicy,
  type Kind,
  needsTwo,
  type Order,
  readOrder,
  reasonDigest,
  signAsOfficer,
  type Target,
  unlockKeyBytes,
} from "../../../phone/src/wire/orders.ts";
import {
  type Chain,
  checkChain,
  neededSignatures,
  type Officer as OnRoster,
  type Roster,
  type SignedRoster,
} from "../../../phone/src/wire/rosters.ts";
import { checkDraft, drafted, signedAlso } from "./appointing.ts";
import { type Audited, fetchLog, type Head } from "./audit.ts";
import { forget, type Officer, openOfficer } from "./file.ts";
import { ask, type Given, type LineOf, type OrderStatus, type Stages } from "./fleet.ts";
import {
  type Answer,
  asOfficer,
  type Change,
  checkRequest,
  type Draft,
  makeAnswer,
  type Request,
  sameOfficer,
} from "./papers.ts";
import { Removing } from "./removing.svelte.ts";

/** An order that was checked. `by`: the names of the officers who signed; none where the line's owner did. */
export interface ShownOrder {
  id: string;
  order: Order;
  status: OrderStatus;
  by: string[];
  mine: boolean;
}

class OfficerDesk {
  officer = $state.raw<Officer | null>(null);
  chain = $state.raw<Chain | null>(null);
  lines = $state.raw<LineOf[]>([]);
  orders = $state.raw<ShownOrder[]>([]);
  log = $state.raw<Audited | null>(null);
  readonly removing = new Removing();
  /** Every version, oldest first, and as they were signed. */
  #rosters: Roster[] = [];
  #signed: SignedRoster[] = [];

  get organisation(): string {
    return this.chain?.roster.name ?? "";
  }

  /** `organisation`: of the account that is signed in (base64url). Throws as `openOfficer`; roster.invalid, network.* and the relay's refusals. */
  async open(file: Blob, passphrase: string, organisation: string): Promise<void> {
    const officer = await openOfficer(file, passphrase);
    const known = checkChain(officer.rosters, officer.fleetPublic);
    if (toBase64(known.roster.organisation) !== organisation) throw error("organisation.unknown");
    const { rosters, chain } = await this.#fetched(officer, known);
    this.#keep(rosters, chain, officer);
    this.officer = officer;
    await this.refresh();
  }

  /** The relay's rosters, if they go on from those that were seen. Throws roster.invalid. */
  async #fetched(officer: Officer, known: Chain) {
    const asked = ask(officer, known.roster.organisation, "rosters", {}, "roster_chain");
    const { rosters } = await asked;
    const chain = checkChain(rosters, officer.fleetPublic);
    if (!known.hashes.every((hash, at) => equal(hash, chain.hashes[at] ?? new Uint8Array())))
      throw error("roster.invalid");
    if (!chain.roster.officers.some((one) => equal(one.id, officer.id)))
      throw error("roster.invalid");
    return { rosters, chain };
  }

  #keep(rosters: SignedRoster[], chain: Chain, officer: Officer): void {
    this.#signed = rosters;
    this.#rosters = rosters.map(
      (_, at) => checkChain(rosters.slice(0, at + 1), officer.fleetPublic).roster,
    );
    this.chain = chain;
  }

  /** The officers as they are now. Throws roster.invalid, network.*. */
  async newestRoster(): Promise<void> {
    const { officer, chain: known } = this.#here();
    const { rosters, chain } = await this.#fetched(officer, known);
    // The file may have been closed meanwhile.
    if (this.officer === officer) this.#keep(rosters, chain, officer);
  }

  // --- the officers themselves

  /** The next roster with the newcomer, signed by this officer. Throws roster.invalid, fleet.exists. */
  async appoint(request: Request): Promise<Draft> {
    checkRequest(request);
    await this.newestRoster();
    const { roster } = this.#here();
    if (roster.officers.some((one) => equal(one.id, request.id))) throw error("fleet.exists");
    return this.#drafted([...roster.officers, asOfficer(request)], request);
  }

  /** The next roster without that officer, signed by this one. */
  async dismiss(officer: Uint8Array): Promise<Draft> {
    await this.newestRoster();
    const { roster } = this.#here();
    const rest = roster.officers.filter((one) => !equal(one.id, officer));
    return this.#drafted(rest, null);
  }

  #drafted(officers: OnRoster[], request: Request | null): Draft {
    const { officer, chain } = this.#here();
    return drafted(chain, officers, request, officer, Math.floor(Date.now() / 1000));
  }

  /** What a draft changes. Throws file.unreadable: also for one that was made for an older roster. */
  async change(draft: Draft): Promise<Change> {
    await this.newestRoster();
    return checkDraft(this.#here().chain, draft);
  }

  /** The draft with this officer's signature as well. Throws file.unreadable. */
  withMySignature(draft: Draft): Draft {
    const { officer, chain } = this.#here();
    return signedAlso(chain, draft, officer);
  }

  /** Whether as many signed as must. */
  isComplete(draft: Draft): boolean {
    return draft.roster.officers.length >= neededSignatures(this.#here().roster);
  }

  /** Make the draft the newest roster; gives the answer for the newcomer. Throws roster.invalid. */
  async publish(draft: Draft): Promise<Answer | null> {
    const { officer, organisation, chain } = this.#here();
    checkDraft(chain, draft);
    const rosters = [...this.#signed, draft.roster];
    checkChain(rosters, officer.fleetPublic);
    await ask(officer, organisation, "amend", { roster: draft.roster }, "ok");
    this.#keep(rosters, checkChain(rosters, officer.fleetPublic), officer);
    return draft.request === null
      ? null
      : makeAnswer(draft.request, officer.place, rosters, officer.fleetSeed);
  }

  isAppointed(request: Request): boolean {
    return this.#here().roster.officers.some((one) => sameOfficer(one, asOfficer(request)));
  }

  /** For a newcomer who is on the roster, and whose answer was lost. Throws roster.invalid. */
  async answerAgain(request: Request): Promise<Answer> {
    checkRequest(request);
    const { officer } = this.#here();
    if (!this.isAppointed(request)) throw error("roster.invalid");
    return makeAnswer(request, officer.place, this.#signed, officer.fleetSeed);
  }

  close(): void {
    if (this.officer !== null) forget(this.officer);
    this.officer = null;
    this.chain = null;
    this.lines = [];
    this.orders = [];
    this.log = null;
    this.removing.forget();
  }

  async refresh(): Promise<void> {
    const { officer, organisation } = this.#here();
    const lines: LineOf[] = [];
    let after: Bytes = new Uint8Array(0);
    for (;;) {
      const page = await ask(officer, organisation, "lines", { after }, "line_list");
      lines.push(...page.lines.map((line) => this.#checkedLine(line)));
      const last = page.lines.at(-1);
      if (!page.more || last === undefined) break;
      after = last.line;
    }
    this.lines = lines;
    await this.look();
    // The officer is not kept waiting, nor out, for what is tried again anyway.
    await this.catchUp().catch(() => {});
  }

  /**
   * Removals of the orders that this officer signed: those that nobody posted are posted, those that conversations
   * ran past are signed anew. Throws network.* and the relay's refusals.
   */
  async catchUp(): Promise<void> {
    const { officer, organisation } = this.#here();
    const still = this.orders.filter((one) => one.mine && destroys(one.order.kind));
    for (const { order, status } of still) {
      if (status.awaiting || status.devices.every((one) => one.removed_at !== null)) continue;
      const mine = status.order.officers.find((one) => equal(one.officer, officer.id));
      if (mine === undefined) continue;
      const open = status.devices.filter((one) => one.removed_at === null);
      await this.removing.catchUp(
        officer,
        organisation,
        order,
        open.map((one) => one.device),
        mine,
      );
    }
  }

  /** The newest orders and how far they have come. */
  async look(): Promise<void> {
    const { officer, organisation } = this.#here();
    const found = await ask(officer, organisation, "status", { order: null }, "orders");
    this.orders = found.orders.map((status) => this.#shown(status));
  }

  /**
   * The whole audit log, replayed; by way of the head in the file, the one that this page saw last, and `kept`.
   * Throws audit.rewritten.
   */
  async audit(kept: Head | null = null): Promise<void> {
    const { officer, organisation } = this.#here();
    const seen = [officer.audit, this.log?.head ?? null, kept].filter((one) => one !== null);
    this.log = await fetchLog(
      (start) => ask(officer, organisation, "audit", { start }, "audit_page"),
      seen,
    );
  }

  /** An officer's name on any roster, newest first; the first digits of the id where it is on none. */
  nameOf(officer: Uint8Array): string {
    for (const roster of [...this.#rosters].reverse()) {
      const found = roster.officers.find((one) => equal(one.id, officer));
      if (found) return found.name;
    }
    return toHex(officer).slice(0, 8);
  }

  /** Of a line that the relay has or the file knows; the first digits of the id of any other. */
  addressOf(line: Uint8Array): string {
    const known = [...this.lines, ...(this.officer?.lines ?? [])];
    return known.find((one) => equal(one.line, line))?.address ?? toHex(line).slice(0, 8);
  }

  /** Sign an order and give it. Throws order.two_officers where there is nobody to be the second. */
  async give(
    kind: Kind,
    targets: Target[],
    why: string,
    policy: FleetPolicy | null = null,
  ): Promise<Given> {
    const { officer, organisation, roster } = this.#here();
    const reason = { text: why.trim(), salt: randomBytes(16) };
    const order: Order = {
      version: 1,
      id: randomBytes(16),
      kind,
      server: officer.server,
      organisation,
      targets,
      issued_at: Math.floor(Date.now() / 1000),
      reason_digest: reasonDigest(reason),
      policy,
    };
    if (needsTwo(order) && neededSignatures(roster) < 2) throw error("order.two_officers");
    const signed = signAsOfficer(order, officer.fleet, officer.id, officer.signing);
    const given = await ask(officer, organisation, "give", { order: signed, reason }, "given");
    return this.#done(order, given);
  }

  /** Be the second officer. */
  async approve(shown: ShownOrder): Promise<Given> {
    const { officer, organisation } = this.#here();
    const signature = approvalOf(shown.status.order, officer.id, officer.signing);
    const given = await ask(
      officer,
      organisation,
      "approve",
      { order: shown.order.id, signature },
      "given",
    );
    return this.#done(shown.order, given);
  }

  /** After an order was given: the removals that it makes possible. */
  async #done(order: Order, given: Given): Promise<Given> {
    const { officer, organisation } = this.#here();
    if (!equal(given.order, order.id)) throw error("http.malformed");
    try {
      if (destroys(order.kind) && !given.awaiting)
        await this.removing.take(officer, organisation, order, given.places);
    } finally {
      await this.refresh();
    }
    return given;
  }

  #here() {
    if (this.officer === null || this.chain === null) throw error("organisation.unknown");
    const { roster } = this.chain;
    return { officer: this.officer, organisation: roster.organisation, roster, chain: this.chain };
  }

  /** Throws certificate.invalid, identity.changed: give no order about such a line. */
  #checkedLine(line: LineOf): LineOf {
    const { officer } = this.#here();
    for (const device of line.devices) {
      const certificate = fromBytes(device.certificate);
      verify(certificate);
      const same =
        equal(certificate.deviceId, device.device) &&
        equal(certificate.lineId, line.line) &&
        // Of a phone that was lost, the line's key is one that officers changed since.
        (device.revoked_at !== null || equal(certificate.identityKey, line.identity_key)) &&
        equal(certificate.fleetKey, officer.fleetPublic) &&
        certificate.address === line.address;
      if (!same) throw error("certificate.invalid");
    }
    const known = officer.lines.find((one) => equal(one.line, line.line));
    if (known && !(equal(known.identity_key, line.identity_key) && known.address === line.address))
      throw error("identity.changed");
    return line;
  }

  #shown(status: OrderStatus): ShownOrder {
    const { officer } = this.#here();
    const order = readOrder(status.order);
    const id = toHex(order.id);
    if (!equal(reasonDigest(status.reason), order.reason_digest) || order.kind !== status.kind)
      throw error("order.forged");
    if (status.order.owner_signature !== null) {
      const line = this.lines.find((one) => order.targets.every((it) => equal(it.line, one.line)));
      if (line === undefined) throw error("order.forged");
      checkOwnersOrder(status.order, line.line, line.identity_key, officer.server);
      return { id, order, status, by: [], mine: false };
    }
    // Those who signed may have left since: any roster that had them speaks for them.
    for (const roster of [...this.#rosters].reverse()) {
      try {
        const { officers } = checkOfficersOrder(status.order, roster, officer.server);
        const by = officers.map(
          (one) => roster.officers.find((it) => equal(it.id, one))?.name ?? "",
        );
        return { id, order, status, by, mine: officers.some((one) => equal(one, officer.id)) };
      } catch (problem) {
        if (!(problem instanceof ChappeError)) throw problem;
      }
    }
    throw error("order.forged");
  }
}

/** Whether it takes devices out of use, and so out of their conversations. */
export function destroys(kind: Kind): boolean {
  return kind === "erase" || kind === "revoke";
}

/** Whether a device's receipt is its own. */
export function receiptHolds(order: Order, stage: Stages): boolean {
  if (stage.receipt === null) return false;
  try {
    const certificate = fromBytes(stage.certificate);
    verify(certificate);
    const { unlock_key, unlock_proof } = stage;
    const vouched = unlock_key !== null && unlock_proof !== null ? unlock_key : null;
    if (stage.receipt.key === "unlock") {
      if (vouched === null || unlock_proof === null) return false;
      const said = unlockKeyBytes(stage.device, vouched);
      if (!verifies(certificate.signatureKey, said, unlock_proof)) return false;
    }
    const receipt = checkReceipt(stage.receipt, certificate.signatureKey, vouched);
    return equal(receipt.order, order.id) && equal(receipt.device, stage.device);
  } catch {
    return false;
  }
}

export const desk = new OfficerDesk();
