/**
 * A phone behind a line protocol: the worker's engine under Node, with IndexedDB in memory. Start Node with
 * `--experimental-websocket`, and the relay's certificate in NODE_EXTRA_CA_CERTS. RELAY is its `host:port`.
 *
 *     {"op": "call", "method": "sendText", "args": ["…", "hello", null]}
 *     {"op": "send_file", "conversation": …, "name": …, "type": …, "data": hex}
 *     {"op": "open_file", "conversation": …, "message": …}       hex
 *     {"op": "take_answer", "address": …, "line": hex, "identity_key": hex, "devices": [[hex, hex]]}
 *     {"op": "deliver_at", "at": …}                             the time that the relay says of envelopes; null: its own
 *     {"op": "keep_back", "conversation": …, "counts": [2, 3]}, {"op": "hand_over", "which": 0}
 *     {"op": "ways"}                                             messages said so far, without a sign-in and with one
 *     {"op": "knows", "device": hex}                             whether its delivery token has come
 *     {"op": "receive_link", "pin": …}                           the link comes as an event
 *     {"op": "ahead", "seconds": …}, {"op": "recover", "pin": …}
 *
 * Every event of the phone is a line `{"event": …}`.
 */

import "fake-indexeddb/auto";
import type { Opened } from "../../src/client/opened";
import { Phone } from "../../src/client/phone";
import { LEFT } from "../../src/client/rows";
import { peek } from "../../src/mls";
import { toHex } from "../../src/wire/bytes";
import { asChappeError } from "../../src/wire/errors";
import { parsePlace } from "../../src/wire/links";
import { hex, type Operation, serve, unhex } from "./lines";

let ahead = 0;
const clock = Date.now;
Date.now = () => clock() + ahead;
let opened: Opened | undefined;
const ways = { sealed: 0, signed_in: 0 };

function watch({ engine }: Opened): void {
  const api = engine.courier;
  const deliver = api.deliver.bind(api);
  api.deliver = (messages) => {
    ways.sealed += messages.length;
    return deliver(messages);
  };
  const say = engine.connection.say.bind(engine.connection);
  engine.connection.say = (frame) => {
    if (frame.t === "send") ways.signed_in += 1;
    return say(frame);
  };
}
const phone = await Phone.start({
  here: parsePlace(process.env.RELAY ?? ""),
  onOpened: (one) => {
    opened = one;
    watch(one);
  },
});
const say = (event: unknown): void => {
  process.stdout.write(`${JSON.stringify({ event })}\n`);
};
await phone.listen(say);

function here(): Opened {
  if (opened === undefined) throw new TypeError("not open");
  return opened;
}

const quiet = (): void => {};

const keptBack: Uint8Array[] = [];
/** Of a message to a group; of anything else, which may be no message at all, nothing. */
function groupOf(payload: Uint8Array): string {
  try {
    const seen = peek(payload);
    return seen.kind === "private" ? toHex(seen.group) : "";
  } catch {
    return "";
  }
}
const honest = (inbox: Opened["engine"]["inbox"]): typeof inbox.take =>
  Object.getPrototypeOf(inbox).take;

const operations: Record<string, Operation> = {
  call: ({ method, args }) => {
    const called: unknown = Reflect.get(phone, String(method));
    if (typeof called !== "function") throw new TypeError(`no call ${String(method)}`);
    return called.apply(phone, args as unknown[]);
  },
  /** A relay's word about a line. */
  take_answer: async ({ address, line, identity_key, devices }) => {
    await here().engine.contacts.takeAnswer(String(address), {
      t: "line",
      ref: 1,
      line: unhex(line),
      address: String(address),
      identity_key: unhex(identity_key),
      devices: (devices as string[][]).map(([device, certificate]) => ({
        device: unhex(device),
        certificate: unhex(certificate),
        key_package: null,
      })),
      salt: new Uint8Array(32),
    });
  },
  deliver_at: ({ at }) => {
    const { engine } = here();
    const honest = Object.getPrototypeOf(engine).delivered as typeof engine.delivered;
    engine.delivered = (envelopes) =>
      honest.call(
        engine,
        typeof at === "number" ? envelopes.map((one) => ({ ...one, at })) : envelopes,
      );
  },
  /** A relay that keeps back envelopes of a conversation, counted from now; what is missing is told at once. */
  keep_back: ({ conversation, counts }) => {
    const { chains, inbox } = here().engine;
    chains.grace = 0;
    let count = 0;
    inbox.take = async (tx, payload, at) => {
      if (groupOf(payload) !== conversation) return honest(inbox).call(inbox, tx, payload, at);
      count++;
      if ((counts as number[]).includes(count)) keptBack.push(payload);
      else await honest(inbox).call(inbox, tx, payload, at);
    };
  },
  /** It hands over one of them after all. */
  hand_over: async ({ which }) => {
    const { inbox } = here().engine;
    const payload = keptBack[Number(which)] ?? new Uint8Array();
    await here().core.change((tx) => honest(inbox).call(inbox, tx, payload, 1));
  },
  make_report: async ({ message, reason }) => {
    const file = await phone.makeReport(String(message), String(reason));
    return hex(new Uint8Array(await file.arrayBuffer()));
  },
  replays: ({ conversation }) =>
    here().engine.groups.row(String(conversation)).chain?.replays ?? null,
  ways: () => ({ ...ways }),
  /** Whether a device's delivery token has come. */
  knows: ({ device }) => here().engine.tokens.of([unhex(device)]) !== null,
  /** What the log does not show by then it will not show. */
  hasten: () => {
    Object.assign(here().engine.log.pace, { graceSeconds: 1, pollMs: 100 });
  },
  me: () => {
    const { certificate } = here().core.me;
    return { device: toHex(certificate.deviceId), line: toHex(certificate.lineId) };
  },
  /** Conversations that this phone is in, and the devices there. */
  places: () => {
    const rows = here()
      .core.book.conversations.all()
      .filter((row) => row.active !== LEFT);
    return Object.fromEntries(rows.map((row) => [row.id, row.places.map((one) => one.device)]));
  },
  /** So much later, by this phone's clock. */
  later: ({ seconds }) => {
    ahead += Number(seconds) * 1000;
    here().engine.messages.onExpiry();
    here().engine.wake();
  },
  look_at_mailbox: () => here().engine.echo.pump(),
  look_at_own_devices: () => here().engine.reconcile(),
  /** A transfer that never ends, whatever it is told. */
  stuck: () => {
    here().attachments.stop = () => new Promise(() => {});
  },
  /** Of the profile that was open last. */
  holds_keys: () => here().core.store.isOpen,
  /** The epoch of a conversation, and how many intents wait. */
  state: ({ conversation }) => ({
    epoch: here().engine.groups.row(String(conversation)).epoch,
    waiting: here().core.book.intents.size,
  }),
  activate: ({ link, name, pin }) => phone.activate(String(link), String(name), String(pin), quiet),
  receive_link: ({ pin }) =>
    phone.receiveLink(String(pin), (link) => say({ type: "link", link }), quiet),
  recover: ({ pin }) => phone.recover(String(pin), quiet),
  /** This phone's clock, before there is anything to tell of it. */
  ahead: ({ seconds }) => {
    ahead += Number(seconds) * 1000;
  },
  unlock: ({ pin }) => phone.unlock(String(pin), quiet),
  change_pin: ({ old, next }) => phone.changePin(String(old), String(next), quiet),
  send_file: ({ conversation, name, type, data, meta }) =>
    phone.sendFile(
      String(conversation),
      new Blob([unhex(data)], { type: String(type) }),
      String(name),
      (meta ?? {}) as object,
    ),
  open_file: async ({ conversation, message }) => {
    const blob = await phone.openFile(String(conversation), String(message));
    return blob && hex(new Uint8Array(await blob.arrayBuffer()));
  },
};

await serve(operations, (problem) => {
  const { code } = asChappeError(problem);
  if (code === "internal.bug") console.error(problem);
  return code;
});
process.exit(0);
