/** What a person types to name somebody: `name@relay`, or the name alone for one's own relay. */
export function complete(typed: string, me: string): string {
  const text = typed.trim().toLowerCase();
  if (text === "" || text.includes("@")) return text;
  return `${text}@${me.split("@")[1] ?? ""}`;
}
