/** Messages and notices in a line of words. */
import type { Message } from "../../client/face.ts";
import { type Key, known, t } from "../i18n/index.svelte.ts";
import { list, nameOf, timer } from "./format.ts";

/** What stands in the list, in a quotation, and in what a screen reader hears. */
export function summary(message: Message, me: string): string {
  switch (message.kind) {
    case "photo":
      return message.text || t("chat.photo");
    case "voice":
      return t("chat.voice");
    case "file":
      return message.attachment?.name || t("chat.file");
    case "notice":
      return notice(message, me);
    case "deleted":
      return t("chat.deleted");
    case "unreadable":
      return t("chat.unreadable");
    default:
      return message.text;
  }
}

export function notice(message: Message, me: string): string {
  const it = message.notice;
  if (it === null) return "";
  const who = list(it.who.map((address) => person(address, me)));
  const values = {
    who,
    by: person(message.from, me),
    value: it.value,
    time: timer(Number(it.value) || 0),
    what: it.what,
  };
  if (it.what === "gap") return t(it.value === "1" ? "notice.gap.one" : "notice.gap.other", values);
  if (it.what === "timer" && Number(it.value) === 0) return t("notice.timer.off");
  const own = it.who.length === 1 && it.who[0] === me ? `notice.${it.what}.self` : "";
  const key = known(own) ? own : `notice.${it.what}`;
  return known(key) ? t(key as Key, values) : t("notice.other", values);
}

export function person(address: string, me: string): string {
  return address === me ? t("common.you") : nameOf(address);
}
