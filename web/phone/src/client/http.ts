/** The relay's HTTP API. Every method throws the relay's own error, network.*, or the reason of `signal`. */

import * as api from "../wire/api";
import { type Bytes, concat, equal } from "../wire/bytes";
import {
  MEDIA_TYPE as DELIVERY,
  decodeDelivered,
  encodeDeliver,
  MAX_BODY as MAX_DELIVERED,
  type Outcome,
  type Sealed,
} from "../wire/delivery";
import { type ChappeError, error, fromPeer } from "../wire/errors";
import { type Answer, decodeAnswer, MAX_BODY as MAX_FLEET, MEDIA_TYPE } from "../wire/fleet";
import type { Of, Shape } from "../wire/shape";
import type { Net } from "./transport";

const READ_SECONDS = 60;
/** A bundle of 256 entries of 1 KiB each, and as much again. */
const MAX_LOG_FILE = 512 * 1024;

export type Slot = "offer" | "answer";

export class HttpApi {
  constructor(private readonly net: Net) {}

  info(): Promise<api.Info> {
    return this.body("GET", "/v1/info", null, api.info);
  }

  /** Whose lines a code makes: of which organisation. */
  codeFor(code: string): Promise<api.Organisation> {
    return this.body("POST", "/v1/activate/organisation", { code }, api.organisation);
  }

  activate(body: api.Activate): Promise<api.Activated> {
    return this.body("POST", "/v1/activate", body, api.activated);
  }

  addDevice(body: api.AddDevice): Promise<api.Activated> {
    return this.body("POST", "/v1/devices", body, api.activated);
  }

  /** A phone that two officers let in. */
  enter(body: api.Enter): Promise<api.Activated> {
    return this.body("POST", "/v1/devices/enrolled", body, api.activated);
  }

  renew(body: api.Renew): Promise<Of<typeof api.renewed>> {
    return this.body("POST", "/v1/renew", body, api.renewed);
  }

  /** For one guess. */
  async unlockChallenge(device: Uint8Array): Promise<Bytes> {
    const asked = { device: api.toBase64(device) };
    const found = await this.body("POST", "/v1/unlock/challenge", asked, api.unlockChallenged);
    return api.fromBase64(found.challenge, 32);
  }

  /** The sealed answer to a sealed guess. */
  async unlock(device: Uint8Array, sealed: Uint8Array): Promise<Bytes> {
    const asked = { device: api.toBase64(device), sealed: api.toBase64(sealed) };
    const found = await this.body("POST", "/v1/unlock", asked, api.unlocked);
    return api.fromBase64(found.sealed);
  }

  /** An envelope of wire/fleet.ts. */
  async fleet(envelope: Bytes): Promise<Answer> {
    const headers = { "content-type": MEDIA_TYPE };
    const answer = await this.request("POST", "/v1/fleet", { body: envelope, headers });
    return decodeAnswer(await readAll(answer, MAX_FLEET));
  }

  /** Messages that nobody signs in to send; one outcome for each, in their order. */
  async deliver(messages: Sealed[]): Promise<Outcome[]> {
    const headers = { "content-type": DELIVERY };
    const request = { body: encodeDeliver(messages), headers };
    const answer = await this.request("POST", "/v1/deliver", request);
    const outcomes = decodeDelivered(await readAll(answer, MAX_DELIVERED));
    const fits = outcomes.every(({ id }, at) => equal(id, messages[at]?.id ?? new Uint8Array()));
    if (outcomes.length !== messages.length || !fits) throw error("http.malformed");
    return outcomes;
  }

  /** A file of the transparency log: `checkpoint`, `policy`, or a tile's path. Throws http.unknown_path. */
  async log(path: string): Promise<Bytes> {
    return readAll(await this.request("GET", `/v1/tlog/${path}`, {}), MAX_LOG_FILE);
  }

  async putLink(rendezvous: Uint8Array, slot: Slot, data: Bytes): Promise<void> {
    await this.request("PUT", linkPath(rendezvous, slot), { body: data });
  }

  /** What the other one left; waits for it, `wait` seconds at most. Throws link.unknown. */
  async getLink(
    rendezvous: Uint8Array,
    slot: Slot,
    wait: number,
    signal?: AbortSignal,
  ): Promise<Bytes> {
    const path = `${linkPath(rendezvous, slot)}?wait=${Math.floor(wait)}`;
    return readAll(await this.request("GET", path, {}, signal), api.MAX_RENDEZVOUS);
  }

  /** How many bytes of an attachment the relay holds. */
  async uploadOffset(attachment: Uint8Array, signal?: AbortSignal): Promise<number> {
    return offsetOf(await this.request("HEAD", attachmentPath(attachment), {}, signal));
  }

  /** Send bytes from `offset` on; gives how many the relay holds then. */
  async upload(
    attachment: Uint8Array,
    token: Uint8Array,
    offset: number,
    body: Bytes,
    signal?: AbortSignal,
  ): Promise<number> {
    const headers = {
      authorization: `Bearer ${api.toBase64(token)}`,
      "upload-offset": String(offset),
      "content-type": "application/offset+octet-stream",
    };
    return offsetOf(
      await this.request("PATCH", attachmentPath(attachment), { body, headers }, signal),
    );
  }

  /** The bytes of an attachment from `offset` on, piece by piece. */
  async *download(
    attachment: Uint8Array,
    offset: number,
    signal?: AbortSignal,
  ): AsyncGenerator<Bytes> {
    const headers = { range: `bytes=${offset}-` };
    const answer = await this.request("GET", attachmentPath(attachment), { headers }, signal);
    if (answer.status !== 206) throw error("http.malformed");
    yield* pieces(answer, signal);
  }

  private async body<T>(
    method: string,
    path: string,
    asked: object | null,
    shape: Shape<T>,
  ): Promise<T> {
    const headers = { "content-type": "application/json" };
    const request = asked === null ? {} : { body: api.encode(asked), headers };
    const answer = await this.request(method, path, request);
    return api.decode(await readAll(answer, api.MAX_BODY), shape);
  }

  private async request(
    method: string,
    path: string,
    request: RequestInit,
    signal?: AbortSignal,
  ): Promise<Response> {
    const given: RequestInit = {
      ...request,
      method,
      cache: "no-store",
      credentials: "omit",
      redirect: "error",
      referrerPolicy: "no-referrer",
    };
    const answer = await timed(signal, (inner) =>
      this.net.fetch(this.net.origin + path, { ...given, signal: inner }),
    );
    if (!answer.ok) throw await refusal(answer);
    return answer;
  }
}

/** Runs until READ_SECONDS are over or `signal` is aborted. Throws network.timeout, network.unreachable. */
async function timed<T>(
  signal: AbortSignal | undefined,
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const inner = new AbortController();
  let late = false;
  const stop = () => inner.abort();
  const timer = setTimeout(() => {
    late = true;
    stop();
  }, READ_SECONDS * 1000);
  signal?.addEventListener("abort", stop);
  try {
    signal?.throwIfAborted();
    return await run(inner.signal);
  } catch {
    signal?.throwIfAborted();
    throw error(late ? "network.timeout" : "network.unreachable");
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", stop);
  }
}

/** The body of an answer, piece by piece. A body that stops coming is network.timeout. */
async function* pieces(answer: Response, signal?: AbortSignal): AsyncGenerator<Bytes> {
  const reader = answer.body?.getReader();
  if (reader === undefined) return;
  try {
    for (;;) {
      const { done, value } = await timed(signal, (inner) => untilAborted(reader.read(), inner));
      if (done) return;
      yield new Uint8Array(value);
    }
  } finally {
    // Also where the caller stops listening: the connection is then of no more use.
    await reader.cancel().catch(() => undefined);
  }
}

function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.addEventListener("abort", () => reject(error("network.timeout")));
    promise.then(resolve, reject);
  });
}

/** At most `limit` bytes: a relay does not fill the phone's memory. */
async function readAll(answer: Response, limit: number): Promise<Bytes> {
  const found: Bytes[] = [];
  let length = 0;
  for await (const piece of pieces(answer)) {
    length += piece.length;
    if (length > limit) throw error("http.malformed");
    found.push(piece);
  }
  return concat(...found);
}

async function refusal(answer: Response): Promise<ChappeError> {
  const code = answer.headers.get("chappe-error");
  if (code !== null) {
    await answer.body?.cancel().catch(() => undefined);
    return fromPeer(code);
  }
  try {
    return fromPeer(api.decode(await readAll(answer, api.MAX_BODY), api.failure).code);
  } catch {
    // A proxy answers in its own words.
    return error(answer.status === 404 ? "http.unknown_path" : "network.unreachable");
  }
}

function offsetOf(answer: Response): number {
  const text = answer.headers.get("upload-offset") ?? "";
  if (!/^[0-9]{1,15}$/.test(text)) throw error("http.malformed");
  return Number(text);
}

function linkPath(rendezvous: Uint8Array, slot: Slot): string {
  return `/v1/links/${api.toBase64(rendezvous)}/${slot}`;
}

function attachmentPath(attachment: Uint8Array): string {
  return `/v1/attachments/${api.toBase64(attachment)}`;
}
