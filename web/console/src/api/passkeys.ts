/** The two ceremonies of WebAuthn level 3, between the desk and the browser. */
import { ApiError, post } from "./client.ts";
import type { SessionView } from "./types.ts";

interface Asked<T> {
  public_key: T;
}

export interface PasskeyMade {
  id: string;
  recovery_codes: string[];
}

export function supported(): boolean {
  return typeof PublicKeyCredential?.parseRequestOptionsFromJSON === "function";
}

/** Throws ApiError; `cancelled` where the person, or the browser, did not use one. */
export async function signIn(): Promise<SessionView> {
  const asked = await post<Asked<PublicKeyCredentialRequestOptionsJSON>>(
    "/session/passkey/options",
  );
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(asked.public_key);
  const used = await ceremony(() => navigator.credentials.get({ publicKey }));
  return post("/session/passkey", { response: used.toJSON() });
}

/** As `signIn` throws. */
export async function makePasskey(label: string): Promise<PasskeyMade> {
  const asked = await post<Asked<PublicKeyCredentialCreationOptionsJSON>>("/passkeys/options");
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(asked.public_key);
  const made = await ceremony(() => navigator.credentials.create({ publicKey }));
  return post("/passkeys", { label, response: made.toJSON() });
}

async function ceremony(work: () => Promise<Credential | null>): Promise<PublicKeyCredential> {
  try {
    const done = await work();
    if (done instanceof PublicKeyCredential) return done;
  } catch (problem) {
    if (problem instanceof DOMException && problem.name === "InvalidStateError")
      throw new ApiError("desk.exists", "");
  }
  throw new ApiError("cancelled", "");
}
