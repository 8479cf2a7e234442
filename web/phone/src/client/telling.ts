/** Who watches is told what happened, in the order in which it did, and after it is durable. */

import type { Done } from "./core";
import type { Event } from "./face";
import { LogFace } from "./logFace";
import type { Opened } from "./opened";

const standingOf = ({ core, engine }: Opened) =>
  new LogFace(core, engine.groups, engine.log).standing();

export class Telling {
  #listeners = new Set<(event: Event) => void>();
  #telling: Promise<void> = Promise.resolve();

  /** Gives a function that ends it. */
  listen(listener: (event: Event) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Until all that happened before is told. */
  async told(): Promise<void> {
    await this.#telling;
  }

  tell(event: Event): void {
    this.#next(() => this.#give(event));
  }

  /** What goes wrong with one keeps back none of the others: the last one of all says that it is locked. */
  #next(telling: () => void | Promise<void>): void {
    this.#telling = this.#telling.then(telling).catch(() => {});
  }

  #give(event: Event): void {
    for (const listener of this.#listeners) listener(event);
  }

  publish(opened: Opened, done: Done): void {
    const { engine } = opened;
    this.#next(async () => {
      for (const row of done.messages)
        this.#give({ type: "message", message: engine.shown.message(row) });
      for (const { conversation, id } of done.gone) {
        const shown = engine.groups.has(conversation)
          ? engine.groups.shownAs(conversation)
          : conversation;
        this.#give({ type: "messageGone", conversation: shown, id });
      }
      const shown = new Set([...done.conversations].map((id) => engine.groups.shownAs(id)));
      for (const id of shown) await this.#giveConversation(opened, id);
      for (const address of done.contacts) {
        const row = engine.contacts.find(address);
        if (row !== undefined) this.#give({ type: "contact", contact: engine.shown.contact(row) });
      }
      for (const typist of done.typing) {
        const until = engine.typing.until(typist);
        if (until === null) continue;
        const conversation = engine.groups.shownAs(typist.conversation);
        this.#give({ type: "typing", conversation, address: typist.address, until });
      }
      if (done.log) this.#give({ type: "transparency", transparency: standingOf(opened) });
      for (const { code, conversation } of done.failed)
        this.#give({ type: "failed", code, conversation });
    });
  }

  async #giveConversation(opened: Opened, id: string): Promise<void> {
    if (!opened.core.store.isOpen) return;
    try {
      const conversation = await opened.engine.shown.conversation(id);
      this.#give({ type: "conversation", conversation });
    } catch {
      // The store was closed under it: who watches is told of that.
    }
  }

  progress(opened: Opened, id: string): void {
    this.#next(async () => {
      if (!opened.core.store.isOpen) return;
      try {
        const row = await opened.engine.messages.get(id);
        this.#give({ type: "message", message: opened.engine.shown.message(row) });
      } catch {
        // It is gone meanwhile.
      }
    });
  }
}
