/** Subresource integrity (W3C SRI) for what index.html names. Chunks that load later are checked by the service worker. */
import { createHash } from "node:crypto";

const TAG = /<(script|link)\b[^>]*\b(?:src|href)="\/(?:console\/)?(assets\/[^"]+)"[^>]*>/g;

/** `html` with an `integrity` on every script, style and preload below /assets; `read` gives a file's bytes. */
export function withIntegrity(html: string, read: (path: string) => Uint8Array): string {
  return html.replace(TAG, (tag: string, _name: string, path: string) => {
    if (tag.includes(" integrity=")) return tag;
    const digest = createHash("sha384").update(read(path)).digest("base64");
    const anonymous = tag.includes(" crossorigin") ? "" : " crossorigin";
    return tag.replace(/\s*>$/, `${anonymous} integrity="sha384-${digest}">`);
  });
}
