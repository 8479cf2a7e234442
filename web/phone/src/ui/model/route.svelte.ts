/**
 * Which view is shown. The browser's back button goes back; the address never says where one is, and neither
 * does the history, which browsers write to their files: it counts steps, and the views are known here alone.
 */
export type View =
  | { name: "list" }
  | { name: "new" }
  | { name: "newGroup" }
  | { name: "settings" }
  | { name: "devices" }
  | { name: "changePin" }
  | { name: "version" }
  | { name: "transparency" }
  | { name: "term" }
  /** `goal`: a message to show, found by searching; each finding is another one. */
  | { name: "chat"; id: string; goal?: { message: string; seq: number; turn: number } }
  | { name: "info"; id: string }
  | { name: "verify"; id: string; address: string };

type RightView = Extract<View, { id: string }>;

function isRight(view: View): view is RightView {
  return "id" in view;
}

export class Route {
  view = $state.raw<View>({ name: "list" });
  /** The conversation that the right pane shows while the left one is used. */
  chat = $state("");
  /** Whether a person has gone anywhere yet: focus moves only then. */
  moved = $state(false);

  right = $derived<RightView | null>(
    isRight(this.view) ? this.view : this.chat ? { name: "chat", id: this.chat } : null,
  );
  left = $derived<View>(isRight(this.view) ? { name: "list" } : this.view);
  inRight = $derived(isRight(this.view));
  #depth = 0;
  /** By depth. */
  #views: View[] = [{ name: "list" }];

  constructor() {
    history.replaceState({ depth: 0 }, "");
    window.addEventListener("popstate", (event: PopStateEvent) => {
      const state = event.state as { depth: number } | null;
      const view = this.#views[state?.depth ?? 0];
      this.#depth = view ? (state?.depth ?? 0) : 0;
      this.#show(view ?? { name: "list" });
    });
  }

  go(view: View): void {
    if (JSON.stringify(view) === JSON.stringify(this.view)) return;
    this.#depth += 1;
    this.#views = [...this.#views.slice(0, this.#depth), view];
    history.pushState({ depth: this.#depth }, "");
    this.#show(view);
  }

  /** In place of the view that is shown: going back does not come here. */
  replace(view: View): void {
    this.#views[this.#depth] = view;
    history.replaceState({ depth: this.#depth }, "");
    this.#show(view);
  }

  back(): void {
    if (this.#depth > 0) history.back();
    else this.replace({ name: "list" });
  }

  /** After locking: nothing of where one was stays. */
  reset(): void {
    this.chat = "";
    this.#depth = 0;
    this.#views = [{ name: "list" }];
    history.replaceState({ depth: 0 }, "");
    this.view = { name: "list" };
  }

  #show(view: View): void {
    this.moved = true;
    if (view.name === "chat" || view.name === "info") this.chat = view.id;
    this.view = view;
  }
}
