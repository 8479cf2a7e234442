/**
 * What is a PIN: six digits or more, or a passphrase of twelve characters or more, and not one of the first
 * that anybody would try. The rules and reasons of src/chappe/vault/pins.py, and tests/web holds them to it.
 *
 * The share service gives a thief ten tries, no more; these rules are there so that ten are not enough. Both
 * kinds are normalised to Unicode NFC: what looks the same is the same.
 */

import { ChappeError, error } from "../wire/errors";
import { casefold } from "./folding";

export const MIN_DIGITS = 6;
export const MIN_PASSPHRASE = 12;
export const MAX_LENGTH = 256;
/** Characters in a passphrase that are not the same. */
const MIN_DIFFERENT = 6;
const NAME_COUNTS_FROM = 3;

// The most used of published lists that no rule below catches already.
const COMMON_PINS = new Set(
  `112233 123321 159753 147258 147852 258456 789456 456789 123654 102030 100200 520520
   131420 696969 314159 271828 142857 159357 741852 852456 963852 369258 110110 101101
   010203 192837 112358 445566 778899 998877 332211 665544 12344321 11223344 14725836 147258369
   789456123 741852963 3141592 31415926 2718281 135792468 13579246 24681012 246810 135790`.split(
    /\s+/,
  ),
);
const COMMON_WORDS = [
  "password",
  "passphrase",
  "motdepasse",
  "letmein",
  "iloveyou",
  "jetaime",
  "welcome",
  "bienvenue",
  "administrator",
  "changeme",
  "correct horse battery staple",
  "correcthorsebatterystaple",
  "trustno",
  "secret",
  "chappe",
];
const ROWS = [
  "abcdefghijklmnopqrstuvwxyz",
  "qwertyuiopasdfghjklzxcvbnm",
  "azertyuiopqsdfghjklmwxcvbn",
  "qwertzuiopasdfghjklyxcvbnm",
  "12345678901234567890",
  "1qaz2wsx3edc4rfv5tgb6yhn7ujm",
];

/** Why a PIN will not do: pages have words for each. */
export type PinReason =
  | "short"
  | "long"
  | "control"
  | "same"
  | "run"
  | "repeated"
  | "date"
  | "common"
  | "own"
  | "few";

/** As it goes into the derivation. */
export function normalise(pin: string): string {
  return pin.normalize("NFC");
}

/**
 * The normalised PIN. `own`: what a thief knows of its owner, such as the line's address. `minDigits`: what
 * an organisation's policy asks for.
 *
 * Raises vault.weak_pin; its detail says the reason (a `PinReason`), and the least number of digits.
 */
export function check(pin: string, own: readonly string[] = [], minDigits = MIN_DIGITS): string {
  const normal = normalise(pin);
  if (count(normal) > MAX_LENGTH)
    throw weak("long", `A PIN or passphrase has at most ${MAX_LENGTH} characters.`);
  if (/[\p{Cc}\p{Cs}]/u.test(normal))
    throw weak("control", "A PIN or passphrase holds no control characters.");
  if (/^[0-9]+$/.test(normal)) checkDigits(normal, own, minDigits);
  else checkPassphrase(normal, own, minDigits);
  return normal;
}

/** Why it will not do, or null: for a page that judges while somebody types. */
export function judge(
  pin: string,
  own: readonly string[] = [],
  minDigits = MIN_DIGITS,
): ChappeError | null {
  try {
    check(pin, own, minDigits);
    return null;
  } catch (problem) {
    if (problem instanceof ChappeError) return problem;
    throw problem;
  }
}

function weak(reason: PinReason, message: string, least?: number): ChappeError {
  return error("vault.weak_pin", message, least === undefined ? { reason } : { reason, least });
}

/** Characters, not the halves of which JavaScript makes some. */
function count(text: string): number {
  return Array.from(text).length;
}

// --- digits

function checkDigits(pin: string, own: readonly string[], minDigits: number): void {
  if (pin.length < minDigits)
    throw weak(
      "short",
      `A PIN has ${minDigits} digits or more; a passphrase ${MIN_PASSPHRASE} characters.`,
      minDigits,
    );
  if (new Set(pin).size === 1)
    throw weak("same", "The same digit again and again is among the first PINs tried.");
  if (isRun(pin)) throw weak("run", "Digits in a row, up or down, are among the first PINs tried.");
  if (isRepeated(pin))
    throw weak("repeated", "The same few digits repeated are among the first PINs tried.");
  if (isDate(pin))
    throw weak("date", "That reads as a date; dates are among the first PINs tried.");
  if (COMMON_PINS.has(pin)) throw weak("common", "That is one of the most used PINs.");
  if (own.some((word) => word.replace(/[^0-9]/g, "").includes(pin)))
    throw weak("own", "Those digits stand in the line's own address.");
}

/** 123456, 654321, 890123: each digit one more, or one less, than the one before it. */
function isRun(pin: string): boolean {
  const digits = Array.from(pin, Number);
  const steps = digits.slice(1).map((digit, i) => (digit - (digits[i] as number) + 10) % 10);
  return steps.every((step) => step === 1) || steps.every((step) => step === 9);
}

/** 121212, 123123: a part of it, twice or more. */
function isRepeated(text: string): boolean {
  return (text + text).slice(1, -1).includes(text);
}

function isDate(pin: string): boolean {
  if (pin.length === 6) {
    const [a, b, c] = [pin.slice(0, 2), pin.slice(2, 4), pin.slice(4)];
    const orders = [
      [c, b, a],
      [c, a, b],
      [a, b, c],
    ] as const;
    return (
      orders.some(([y, m, d]) => isDay(`19${y}`, m, d) || isDay(`20${y}`, m, d)) ||
      isDay(pin.slice(2), a, "01") ||
      isDay(pin.slice(0, 4), c, "01")
    );
  }
  if (pin.length === 8) {
    const [first, last] = [pin.slice(0, 4), pin.slice(4)];
    const halves = (four: string) => [four.slice(0, 2), four.slice(2)] as const;
    const [[a, b], [c, d]] = [halves(first), halves(last)];
    return isDay(last, b, a) || isDay(last, a, b) || isDay(first, c, d) || isDay(first, d, c);
  }
  return false;
}

/** Of this or the last century. */
function isDay(year: string, month: string, day: string): boolean {
  if (!year.startsWith("19") && !year.startsWith("20")) return false;
  const [y, m, d] = [Number(year), Number(month), Number(day)];
  const days = [31, y % 4 === 0 && y !== 1900 ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
  return d >= 1 && d <= (days[m - 1] ?? 0);
}

// --- passphrases

function checkPassphrase(pin: string, own: readonly string[], minDigits: number): void {
  if (count(pin) < MIN_PASSPHRASE)
    throw weak(
      "short",
      `A passphrase has ${MIN_PASSPHRASE} characters or more; a PIN ${minDigits} digits.`,
      minDigits,
    );
  const plain = squeezed(casefold(pin));
  if (new Set(plain).size < MIN_DIFFERENT)
    throw weak("few", "That passphrase has too few different characters.");
  if (isRepeated(plain))
    throw weak("repeated", "That passphrase is one part repeated; take different words.");
  if (ROWS.some((row) => row.includes(plain) || backwards(row).includes(plain)))
    throw weak("run", "Keys or letters in a row are among the first passphrases tried.");
  if (count(without(plain, COMMON_WORDS)) < MIN_PASSPHRASE / 2)
    throw weak("common", "That is close to one of the most used passphrases.");
  if (count(without(plain, names(own))) < MIN_PASSPHRASE / 2)
    throw weak("own", "That is little more than the line's own address or name.");
}

/** Without spaces: Unicode's, which are not quite those of JavaScript. */
function squeezed(text: string): string {
  return text.replace(/[\u0020\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/g, "");
}

function backwards(text: string): string {
  return Array.from(text).reverse().join("");
}

/** What is left once these are taken out, the longest first. */
function without(plain: string, words: readonly string[]): string {
  const longest = [...words].sort((one, other) => count(other) - count(one));
  return longest.reduce((left, word) => left.replaceAll(squeezed(casefold(word)), ""), plain);
}

/** An address, its name and its host. */
function names(own: readonly string[]): string[] {
  const parts = new Set(own.flatMap((word) => [word, ...word.split("@")]));
  return [...parts].filter((part) => count(part) >= NAME_COUNTS_FROM);
}
