/** A conversation as plain text, for who wants to keep it: what disappears is left out. */
import type { Conversation, Message, PhoneFace } from "../../client/face.ts";
import { machineTime } from "./format.ts";
import { summary } from "./texts.ts";

const AT_ONCE = 200;
/** What could pass for another line, or turn the direction of writing: what others wrote stays their own line. */
const HIDDEN = /[^\P{C}\n\t]|[\u2028\u2029]/gu;

/** The whole conversation, oldest first, a message a line; further lines of one are indented. */
export async function asText(
  phone: Pick<PhoneFace, "messages">,
  conversation: Conversation,
  me: string,
): Promise<string> {
  const pages: Message[][] = [];
  let before = 0;
  for (;;) {
    const page = await phone.messages(conversation.id, before, AT_ONCE);
    pages.unshift(page);
    const first = page[0];
    if (first === undefined || page.length < AT_ONCE) break;
    before = first.seq;
  }
  const lines = pages.flat().filter((message) => !message.disappears);
  return `${clean(conversation.name)}\n\n${lines.map((one) => line(one, me)).join("")}`;
}

/** A name that every system takes. */
export function fileName(conversation: Conversation): string {
  const name = conversation.name.replace(/[^\p{L}\p{N}@._-]+/gu, "-").slice(0, 60);
  return `${name || "conversation"}.txt`;
}

function line(message: Message, me: string): string {
  const at = machineTime(message.at).slice(0, 16).replace("T", " ");
  const said = message.kind === "text" ? message.text : `[${summary(message, me)}]`;
  return `${at} UTC  ${clean(message.from)}: ${clean(said).replaceAll("\n", "\n    ")}\n`;
}

function clean(text: string): string {
  return text.replace(/\r\n?/g, "\n").replace(HIDDEN, "\ufffd");
}
