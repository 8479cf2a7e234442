/** Reports of messages to the officers of this line's organisation (docs/protocol.md section 15). */

import { dataOf } from "../mls";
import { equal, fromHex, randomBytes } from "../wire/bytes";
import { fromBytes } from "../wire/certificate";
import { decodeItem } from "../wire/chain";
import { decode } from "../wire/content";
import { ChappeError, error } from "../wire/errors";
import { type Exhibit, MAX_REASON, SUFFIX, sealReport } from "../wire/reports";
import { cleanName, cleanText } from "./clean";
import type { ReportView } from "./face";
import type { Opened } from "./opened";
import type { MessageRow } from "./rows";

const NO_PROOF =
  "There is no proof of this message here: it is your own, or came more than 30 days ago, or was deleted.";
const NOT_YOURS = "Only messages of your own organisation's lines can be reported to its officers.";
const WAIT_SECONDS = 30;
const ID_BYTES = 16;

export class Reporting {
  constructor(private readonly opened: Opened) {}

  /** All that the officers would see; null where no report can be made. */
  async offered(id: string): Promise<ReportView | null> {
    try {
      return await this.view(id);
    } catch (problem) {
      if (problem instanceof ChappeError && problem.fault !== "storage") return null;
      throw problem;
    }
  }

  /** Raises message.unknown without proof, order.not_yours. */
  async view(id: string): Promise<ReportView> {
    const { row, exhibits } = await this.#provable(id);
    const { core, engine } = this.opened;
    const conversation = engine.groups.row(row.conversation);
    return {
      from: row.address,
      conversation: conversation.kind === "group" ? cleanName(conversation.name) : "",
      said: exhibits.map(said),
      reporter: core.me.address,
    };
  }

  /** The file, which only the officers open. Raises as `view`; organisation.unknown, network.*. */
  async make(id: string, reason: string): Promise<File> {
    const { row, exhibits } = await this.#provable(id);
    const why = reason.trim();
    if (why === "" || [...why].length > MAX_REASON) throw error("usage.invalid");
    const { core, engine } = this.opened;
    const { me } = core;
    await engine.waitOnline(WAIT_SECONDS);
    const report = {
      version: 1,
      id: randomBytes(ID_BYTES),
      server: me.server,
      fleet_key: me.certificate.fleetKey,
      conversation: fromHex(row.conversation),
      reporter: me.certificateBytes,
      made_at: core.now(),
      reason: why,
      exhibits,
    };
    const key = await engine.removals.officersKey();
    const sealed = await sealReport(key, report, me.signer.privateKey);
    return new File([sealed], `${row.id.slice(2, 10)}${SUFFIX}`, {
      type: "application/octet-stream",
    });
  }

  async #provable(id: string): Promise<{ row: MessageRow; exhibits: Exhibit[] }> {
    const { core, engine } = this.opened;
    const row = await engine.messages.get(id);
    const exhibits = await engine.proofs.of(row);
    if (exhibits.length === 0) throw error("message.unknown", NO_PROOF);
    const { fleetKey } = core.me.certificate;
    const theirs = exhibits.map((one) => fromBytes(one.certificate).fleetKey);
    if (fleetKey.length === 0 || !theirs.every((one) => equal(one, fleetKey)))
      throw error("order.not_yours", NOT_YOURS);
    return { row, exhibits };
  }
}

/** From what was signed, and not from what is shown. */
function said({ signed, at }: Exhibit): ReportView["said"][number] {
  const { body, replaces } = decode(decodeItem(dataOf(signed)).body);
  const file = body.kind === "attachment" ? cleanName(body.filename) : "";
  const text =
    body.kind === "text" ? body.text : body.kind === "attachment" ? body.description : "";
  return { text: cleanText(text), file, edited: replaces !== null, at };
}
