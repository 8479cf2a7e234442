/**
 * A phone behind a line protocol: the worker's engine under Node, with IndexedDB in memory. Start Node with
 * `--experimental-websocket`, and the relay's certificate in NODE_EXTRA_CA_CERTS. RELAY is its `host:port`.
 *
 *     {"op": "call", "method": "sendText", "args": ["…", "hello", null]}
 *     {"op": "send_file", "conversation": …, "name": …, "type": …, "data": hex}
 *     {"op": "open_file", "conversation": …, "message": …}       hex
 *     {"op": "receive_link", "pin": …}                           the link comes as an event
 *
 * Every event of the phone is a line `{"event": …}`.
 */

import "fake-indexeddb/auto";
import { Phone } from "../../src/client/phone";
import { asChappeError } from "../../src/wire/errors";
import { parsePlace } from "../../src/wire/links";
import { hex, type Operation, serve, unhex } from "./lines";

const phone = await Phone.start({ here: parsePlace(process.env.RELAY ?? "") });
const say = (event: unknown): void => {
  process.stdout.write(`${JSON.stringify({ event })}\n`);
};
await phone.listen(say);

const quiet = (): void => {};

const operations: Record<string, Operation> = {
  call: ({ method, args }) => {
    const called: unknown = Reflect.get(phone, String(method));
    if (typeof called !== "function") throw new TypeError(`no call ${String(method)}`);
    return called.apply(phone, args as unknown[]);
  },
  activate: ({ link, name, pin }) => phone.activate(String(link), String(name), String(pin), quiet),
  receive_link: ({ pin }) =>
    phone.receiveLink(String(pin), (link) => say({ type: "link", link }), quiet),
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
    return hex(new Uint8Array(await blob.arrayBuffer()));
  },
};

await serve(operations, (problem) => {
  const { code } = asChappeError(problem);
  if (code === "internal.bug") console.error(problem);
  return code;
});
process.exit(0);
