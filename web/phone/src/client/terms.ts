/** The line's term, as the relay told it last: kept, so that a phone that is offline can remind of it too. */

import { renewBytes, toBase64 } from "../wire/api";
import { parse as parseCode } from "../wire/codes";
import { error } from "../wire/errors";
import type { Typed } from "../wire/frames";
import { parse as parseLink } from "../wire/links";
import type { Core } from "./core";
import type { Term } from "./face";
import type { HttpApi } from "./http";

const TERM = "term";

export class Terms {
  /** Set by the owner: it is another now, or has come to its next stage. */
  onTerm: (term: Term) => void = () => {};

  private constructor(
    private readonly core: Core,
    private told: Term | null,
  ) {}

  static async open(core: Core): Promise<Terms> {
    return new Terms(core, (await core.meta<Term>(TERM)) ?? null);
  }

  /** Null: the line has none. */
  get term(): Term | null {
    return this.told;
  }

  get maySend(): boolean {
    return this.told === null || this.told.stage === "active";
  }

  /** Throws term.grace, term.suspended, term.closed. */
  checkSending(): void {
    if (this.told !== null && this.told.stage !== "active") throw error(`term.${this.told.stage}`);
  }

  /** What the relay says. It is believed: it could refuse all the same. */
  async take({ stage, ends, suspends, closes, forgotten }: Term | Typed<"term">): Promise<void> {
    const term: Term = { stage, ends, suspends, closes, forgotten };
    if (JSON.stringify(term) === JSON.stringify(this.told)) return;
    await this.core.change((tx) => {
      this.core.setMeta(tx, TERM, term);
      tx.after(() => {
        this.told = term;
        this.onTerm(term);
      });
    });
  }

  /** Redeem a code, or the code in a link. Throws code.*, term.*, signin.*, network.*. */
  async renew(api: HttpApi, text: string): Promise<Term> {
    const { me } = this.core;
    const code = codeOf(text);
    const proof = me.sign(renewBytes(me.server, code, me.deviceId));
    const term = await api.renew({ code, device: toBase64(me.deviceId), proof: toBase64(proof) });
    await this.take(term);
    return term;
  }
}

/** Throws code.malformed, link.malformed. */
export function codeOf(text: string): string {
  if (!text.trim().startsWith("chappe://")) return parseCode(text);
  const link = parseLink(text);
  if (link.kind !== "activation") throw error("link.malformed");
  return link.code;
}
