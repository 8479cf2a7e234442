/** Whatever goes wrong while something is told, that the phone is locked is told. */
import { expect, test } from "vitest";
import type { Event } from "../../src/client/face";
import type { Opened } from "../../src/client/opened";
import { Telling } from "../../src/client/telling";

test("one event that cannot be told keeps back none after it", async () => {
  const telling = new Telling();
  const heard: Event["type"][] = [];
  telling.listen((event) => {
    heard.push(event.type);
  });
  const broken = {
    engine: {
      groups: {
        shownAs: () => {
          throw new Error("gone");
        },
      },
    },
  } as unknown as Opened;
  const done = { messages: [], gone: [], conversations: new Set(["c"]), contacts: new Set() };
  telling.publish(broken, { ...done, failed: [] } as never);
  telling.tell({ type: "stage", stage: "locked" });
  await new Promise((done) => setTimeout(done, 10));
  expect(heard).toEqual(["stage"]);
});
