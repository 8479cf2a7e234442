/** Where one is: after the #, so that the relay is not told. `#/lines/ID?stage=grace`. */

class Route {
  path = $state.raw<string[]>([]);
  query = $state.raw(new URLSearchParams());
  /** A screen reader is told where one has come to, but not at the start. */
  moved = $state(false);

  /** Gives the secret of a sign-in link, which leaves the address bar and the history at once. */
  start(): string {
    const link = /^#link=([A-Za-z0-9_-]+)$/.exec(location.hash)?.[1] ?? "";
    if (link !== "") history.replaceState(null, "", location.pathname);
    addEventListener("hashchange", () => this.#read(true));
    this.#read(false);
    return link;
  }

  get view(): string {
    return this.path[0] ?? "overview";
  }

  #read(moved: boolean): void {
    const [path = "", query = ""] = location.hash.replace(/^#\/?/, "").split("?");
    this.path = path.split("/").filter(Boolean).map(decodeURIComponent);
    this.query = new URLSearchParams(query);
    this.moved = moved;
  }
}

export const route = new Route();

export function to(...path: string[]): string {
  return `#/${path.map(encodeURIComponent).join("/")}`;
}

export function go(...path: string[]): void {
  location.hash = to(...path);
}
