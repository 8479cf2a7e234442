/** Light or dark: as the device has it, or as chosen here. */
export type Choice = "system" | "light" | "dark";

const KEPT = "chappe.theme";

class Theme {
  choice = $state<Choice>("system");
  #system = matchMedia("(prefers-color-scheme: dark)");

  start(): void {
    const kept = localStorage.getItem(KEPT);
    if (kept === "light" || kept === "dark") this.choice = kept;
    this.#system.addEventListener("change", () => this.#apply());
    this.#apply();
  }

  choose(choice: Choice): void {
    this.choice = choice;
    localStorage.setItem(KEPT, choice);
    this.#apply();
  }

  #apply(): void {
    const dark = this.choice === "dark" || (this.choice === "system" && this.#system.matches);
    document.documentElement.dataset.theme = dark ? "dark" : "light";
    document
      .querySelector('meta[name="theme-color"]')
      ?.setAttribute("content", dark ? "#141c20" : "#ffffff");
  }
}

export const theme = new Theme();
