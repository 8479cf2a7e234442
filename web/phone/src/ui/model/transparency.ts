/** The transparency log's alarms in words. */
import type { LogAlarm, Transparency } from "../../client/face.ts";
import { type Key, known, t } from "../i18n/index.svelte.ts";
import { nameOf } from "./format.ts";

/** What is amiss, in a line. */
export const alarmTitle = (alarm: LogAlarm): string => words(alarm, "title");

/** What it means, and what to do. */
export const alarmAdvice = (alarm: LogAlarm): string => words(alarm, "how");

/** The relay showed two logs, and nobody has decided: nothing is sent. */
export const isForked = (log: Transparency | null): boolean =>
  log?.alarms.some((one) => one.code === "log.forked" && !one.settled) ?? false;

function words({ code, address }: LogAlarm, part: "title" | "how"): string {
  const key = `alarm.${code}.${part}`;
  const by = `alarm.${code}.by.${part}`;
  const chosen = address !== "" && known(by) ? by : key;
  return known(chosen)
    ? t(chosen as Key, { who: nameOf(address) })
    : t("alarm.other", { what: code });
}
