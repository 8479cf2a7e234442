/** The one Trusted Types policy of the page (W3C Trusted Types): scripts of this origin, by a fixed list of names. */
interface Policy {
  createScriptURL(url: string): string;
}
interface Factory {
  createPolicy(name: string, rules: Policy): Policy;
}

const rules: Policy = {
  createScriptURL(url) {
    const { origin, pathname, search } = new URL(url, location.origin);
    const own = pathname === "/sw.js" || /^\/(assets|src)\/[\w./-]+$/.test(pathname);
    if (origin !== location.origin || !own || (search && !import.meta.env.DEV))
      throw new TypeError("not a script of this page");
    return url;
  },
};

const factory = (globalThis as { trustedTypes?: Factory }).trustedTypes;
const policy = factory ? factory.createPolicy("chappe", rules) : rules;

/** The URL of a script of this page, as `Worker` and `register` want it. */
export function scriptUrl(url: string): string {
  return policy.createScriptURL(url);
}
