/** One line at the bottom of the page that says what became of something. */
import { explainCode as phoneWords } from "../../../phone/src/ui/model/errors.ts";
import { ChappeError } from "../../../phone/src/wire/errors.ts";
import { ApiError } from "../api/client.ts";
import { maybe, t, words } from "../i18n/index.ts";
import { told } from "../i18n/sentences.ts";

class Said {
  text = $state("");
  bad = $state(false);
  #timer: ReturnType<typeof setTimeout> | undefined;

  say(text: string, bad = false): void {
    clearTimeout(this.#timer);
    this.text = text;
    this.bad = bad;
    this.#timer = setTimeout(() => this.clear(), bad ? 12_000 : 5_000);
  }

  clear(): void {
    this.text = "";
  }
}

export const said = new Said();

/** What went wrong, in words. The desk's own sentence says more than the code's. */
export function explain(problem: unknown): string {
  if (problem instanceof ChappeError)
    return maybe(`error.${problem.code}`, phoneWords(problem.code));
  if (!(problem instanceof ApiError)) return t("error.network");
  if (problem.code === "cancelled") return t("signin.cancelled");
  const key = `error.${problem.code}`;
  const ours = maybe(key, problem.message);
  const more = problem.fields.map((one) => `${one.field}: ${told(one.message)}`);
  // These say why, each time in other words.
  const why = /^desk\.(not_now|malformed|exists|unknown)$/.test(problem.code);
  const said = why && problem.message !== "" ? told(problem.message) : "";
  // What is not known in French yet follows what the code says.
  const isTold = words.language === "en" || said !== problem.message;
  return [...(said !== "" && isTold ? [said] : [ours, said]), ...more]
    .filter((one) => one !== "")
    .join(" ");
}

/** Do it, and say what went wrong. Gives whether it went well. */
export async function attempt(work: () => Promise<unknown>, done = ""): Promise<boolean> {
  try {
    await work();
    if (done !== "") said.say(done);
    return true;
  } catch (problem) {
    if (!(problem instanceof ApiError && problem.code === "desk.signed_out"))
      said.say(explain(problem), true);
    return false;
  }
}
