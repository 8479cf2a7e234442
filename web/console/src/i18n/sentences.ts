/**
 * What the desk says of what was wrong, in French. Its codes say what kind of failure it is, its sentences which one
 * it is: these are held to its sources (tests/console/test_sentences.py). One that stands not here, of a newer desk,
 * is shown as it came.
 */

import { words } from "./index.ts";
import table from "./sentences.json";

const escaped = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

/** More of what is fixed is tried first: `{}` takes anything. */
const KNOWN = Object.entries(table)
  .map(([english, french]) => ({
    pattern: new RegExp(`^${english.split("{}").map(escaped).join("(.+?)")}$`, "s"),
    french,
    fixed: english.replaceAll("{}", "").length,
  }))
  .sort((one, other) => other.fixed - one.fixed);

export function inFrench(sentence: string): string {
  for (const { pattern, french } of KNOWN) {
    const found = pattern.exec(sentence);
    if (found === null) continue;
    const filled = found.slice(1);
    return french.replace(/\{\}/g, () => filled.shift() ?? "");
  }
  return sentence;
}

/** A sentence of the desk in the language of the page. */
export function told(sentence: string): string {
  return words.language === "fr" ? inFrench(sentence) : sentence;
}
