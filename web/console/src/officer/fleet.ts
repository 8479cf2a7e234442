/** What an officer asks of the relay: `POST /v1/fleet` (docs/protocol.md section 12.5). Of the asks, those of this page. */
import { encode as pack, decode as unpack } from "@msgpack/msgpack";
import { type Bytes, concat } from "../../../phone/src/wire/bytes.ts";
import { sign } from "../../../phone/src/wire/certificate.ts";
import { error, fromPeer } from "../../../phone/src/wire/errors.ts";
import { askBytes, MAX_BODY, MEDIA_TYPE } from "../../../phone/src/wire/fleet.ts";
import { walkMessagePack } from "../../../phone/src/wire/heads.ts";
import { reason, signedOrder, signedReceipt } from "../../../phone/src/wire/orders.ts";
import { MAX_ROSTERS, officerSignature, signedRoster } from "../../../phone/src/wire/rosters.ts";
import {
  bool,
  bytes,
  int,
  list,
  nullable,
  type Of,
  oneOf,
  optional,
  type Shape,
  struct,
  text,
} from "../../../phone/src/wire/shape.ts";
import type { Officer } from "./file.ts";

const id16 = bytes(16);
const seconds = int(0, 2 ** 53);
const some = bytes(0, MAX_BODY);
export const MAX_POSTINGS = 1000;

const groupId = bytes(16, 32);
const epoch = int(0, 2 ** 53);
const posting = struct({
  group: groupId,
  proposals: list(struct({ epoch, message: bytes(1, 1024) }), 0, 32),
});

const ASKS = {
  amend: struct({ roster: signedRoster }),
  rosters: struct({}),
  lines: struct({ after: bytes(0, 16) }),
  give: struct({ order: signedOrder, reason }),
  approve: struct({ order: id16, signature: officerSignature }),
  status: struct({ order: optional(nullable(id16), null) }),
  audit: struct({ start: int(0, 2 ** 53) }),
  epochs: struct({ groups: list(groupId, 0, MAX_POSTINGS) }),
  post: struct({ order: id16, device: id16, postings: list(posting, 0, MAX_POSTINGS), last: bool }),
};

const deviceOfLine = struct({
  device: id16,
  certificate: some,
  created_at: seconds,
  revoked_at: optional(nullable(seconds), null),
  order: optional(nullable(id16), null),
});
const lineOf = struct({
  line: id16,
  address: text(),
  identity_key: bytes(32),
  created_at: seconds,
  held_at: nullable(seconds),
  closed_at: nullable(seconds),
  devices: list(deviceOfLine),
});
const stages = struct({
  device: id16,
  line: id16,
  address: text(),
  ordered_at: seconds,
  unreadable_at: nullable(seconds),
  conversations: nullable(int(0, 2 ** 53)),
  removed: int(0, 2 ** 53),
  removed_at: nullable(seconds),
  done_at: nullable(seconds),
  receipt: nullable(signedReceipt),
  certificate: some,
  unlock_key: nullable(some),
  unlock_proof: nullable(some),
});
const orderStatus = struct({
  order: signedOrder,
  kind: oneOf("erase", "revoke", "lock", "policy", "hold", "release"),
  reason,
  ordered_at: seconds,
  awaiting: bool,
  devices: list(stages),
});
const place = struct({ device: id16, line: id16, register: optional(nullable(some), null) });

export const ANSWERS = {
  ok: struct({}),
  epoch_list: struct({ epochs: list(struct({ group: bytes(0, 64), epoch: nullable(epoch) })) }),
  roster_chain: struct({ rosters: list(signedRoster, 0, MAX_ROSTERS) }),
  line_list: struct({ lines: list(lineOf), more: bool }),
  given: struct({ order: id16, awaiting: bool, unreadable: bool, places: list(place) }),
  orders: struct({ orders: list(orderStatus) }),
  audit_page: struct({
    start: int(0, 2 ** 53),
    entries: list(some),
    size: int(0, 2 ** 53),
    root: bytes(32),
  }),
};

export type LineOf = Of<typeof lineOf>;
export type Stages = Of<typeof stages>;
export type OrderStatus = Of<typeof orderStatus>;
export type Place = Of<typeof place>;
export type Given = Of<(typeof ANSWERS)["given"]>;

type AskName = keyof typeof ASKS;
type AnswerName = keyof typeof ANSWERS;

/** One question, signed. Throws the relay's refusal, network.unreachable, http.malformed. */
export async function ask<K extends AskName, A extends AnswerName>(
  officer: Officer,
  organisation: Bytes,
  name: K,
  fields: Parameters<(typeof ASKS)[K]>[0],
  kind: A,
): Promise<Of<(typeof ANSWERS)[A]>> {
  const shape: Shape<object> = ASKS[name];
  const body = new Uint8Array(pack({ t: name, ...shape(fields) }));
  const at = Math.floor(Date.now() / 1000);
  const who = concat(organisation, officer.id);
  const signature = sign(officer.signing, askBytes(officer.server, who, at, body));
  const envelope = { t: "officer", organisation, officer: officer.id, at, ask: body, signature };
  return decoded(await posted(new Uint8Array(pack(envelope))), kind);
}

async function posted(body: Bytes): Promise<Bytes> {
  let answer: Response;
  try {
    answer = await fetch("/v1/fleet", {
      method: "POST",
      headers: { "content-type": MEDIA_TYPE },
      body,
      cache: "no-store",
      credentials: "omit",
      redirect: "error",
    });
    if (answer.ok) return new Uint8Array(await answer.arrayBuffer());
  } catch {
    throw error("network.unreachable");
  }
  const said = (await answer.json().catch(() => ({}))) as { code?: unknown };
  throw typeof said.code === "string" ? fromPeer(said.code) : error("network.unreachable");
}

function decoded<A extends AnswerName>(data: Bytes, kind: A): Of<(typeof ANSWERS)[A]> {
  try {
    if (data.length > MAX_BODY) throw error("http.malformed");
    walkMessagePack(data);
    const { t, ...fields } = unpack(data) as Record<string, unknown>;
    if (t !== kind) throw error("http.malformed");
    const shape = ANSWERS[kind] as Shape<Of<(typeof ANSWERS)[A]>>;
    return shape(fields);
  } catch {
    throw error("http.malformed");
  }
}
