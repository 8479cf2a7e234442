/** Adding Chappe to the home screen, where the browser lets a page ask. */
interface InstallEvent extends Event {
  prompt(): Promise<unknown>;
}

class Install {
  possible = $state(false);
  installed = $state(false);
  #event: InstallEvent | null = null;

  start(): void {
    this.installed = matchMedia("(display-mode: standalone)").matches;
    addEventListener("beforeinstallprompt", (event) => {
      event.preventDefault();
      this.#event = event as InstallEvent;
      this.possible = true;
    });
    addEventListener("appinstalled", () => {
      this.installed = true;
      this.possible = false;
    });
  }

  async ask(): Promise<void> {
    await this.#event?.prompt();
    this.#event = null;
    this.possible = false;
  }
}

export const install = new Install();
