/** The safety number in a QR code: both phones show the same digits, whoever shows and whoever scans. */
const PREFIX = "chappe-safety:";
const DIGITS = /^\d{60}$/;

export function safetyText(number: string): string {
  return PREFIX + number.replace(/\D/g, "");
}

/** Whether a scanned text is the same number; null if it is no safety number at all. */
export function sameSafety(scanned: string, number: string): boolean | null {
  if (!scanned.startsWith(PREFIX) || !DIGITS.test(scanned.slice(PREFIX.length))) return null;
  return scanned === safetyText(number);
}
