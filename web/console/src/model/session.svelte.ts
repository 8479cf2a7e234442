/** Who is signed in, and what ends it. One for the page. */

import { call, get, hooks, post } from "../api/client.ts";
import { makePasskey, signIn } from "../api/passkeys.ts";
import type { SessionView } from "../api/types.ts";
import { words } from "../i18n/index.ts";

/** As src/chappe/desk/sessions.py has it. */
const IDLE_MS = 30 * 60 * 1000;

export type Phase = "loading" | "out" | "enrolling" | "codes" | "in";
export type Ended = "" | "idle" | "over" | "out";

class Session {
  phase = $state<Phase>("loading");
  who = $state.raw<SessionView | null>(null);
  ended = $state<Ended>("");
  /** Shown once. */
  codes = $state.raw<string[]>([]);
  /** Somebody waits for the person to sign in once more. */
  asksAgain = $state(false);
  #answer: (signedIn: boolean) => void = () => {};
  #idle: ReturnType<typeof setTimeout> | undefined;

  may(operation: string): boolean {
    return this.who?.operations.includes(operation) ?? false;
  }

  /** With the secret of a sign-in link, or with the session that may still be there. Throws ApiError for a link. */
  async start(link: string): Promise<void> {
    hooks.over = () => this.#leave(this.phase === "in" ? "over" : this.ended);
    hooks.again = () => this.#again();
    hooks.used = () => this.#touch();
    try {
      this.#enter(
        link === "" ? await get("/session") : await post("/session/link", { secret: link }),
      );
    } catch (problem) {
      this.phase = "out";
      if (link !== "") throw problem;
    }
  }

  async withPasskey(): Promise<void> {
    this.#enter(await signIn());
  }

  async withRecoveryCode(code: string): Promise<void> {
    this.#enter(await post("/session/recovery", { code }));
  }

  /** The passkey of a session that began with a link or a code. */
  async enrol(label: string): Promise<void> {
    const made = await makePasskey(label);
    this.codes = made.recovery_codes;
    const who = await get<SessionView>("/session");
    this.#enter(who);
    if (made.recovery_codes.length > 0) this.phase = "codes";
  }

  keptCodes(): void {
    this.codes = [];
    this.phase = "in";
  }

  async signOut(): Promise<void> {
    try {
      await call("DELETE", "/session");
    } finally {
      this.#leave("out");
    }
  }

  /** From the sheet that `asksAgain` shows. */
  async answerAgain(yes: boolean): Promise<void> {
    if (yes) this.#enter(await signIn());
    this.asksAgain = false;
    this.#answer(yes);
  }

  #again(): Promise<boolean> {
    this.asksAgain = true;
    return new Promise((resolve) => {
      this.#answer = resolve;
    });
  }

  #enter(who: SessionView): void {
    const fresh = this.who?.account !== who.account;
    this.who = who;
    this.ended = "";
    if (fresh && localStorage.getItem("chappe.language") === null)
      words.choose(who.language === "fr" ? "fr" : "en");
    this.phase = who.enrolling ? "enrolling" : "in";
    this.#touch();
  }

  #leave(how: Ended): void {
    clearTimeout(this.#idle);
    this.who = null;
    this.codes = [];
    this.ended = how;
    this.phase = "out";
    if (this.asksAgain) {
      this.asksAgain = false;
      this.#answer(false);
    }
  }

  /** The desk counts from what it was asked last; nothing of it stays on the page after that. */
  #touch(): void {
    clearTimeout(this.#idle);
    if (this.who === null) return;
    const ends =
      this.who.ends_at === null ? Number.POSITIVE_INFINITY : Date.parse(this.who.ends_at);
    const left = Math.min(IDLE_MS, ends - Date.now());
    this.#idle = setTimeout(() => this.#leave(left < IDLE_MS ? "over" : "idle"), Math.max(0, left));
  }
}

export const session = new Session();
