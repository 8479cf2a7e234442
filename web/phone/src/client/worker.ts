/** Stands here until the phone's engine does: it says that it is not there, and the page says so too. */
import { expose } from "comlink";
import type { PhoneFace } from "./face.ts";

const none: Pick<PhoneFace, "stage" | "listen"> = {
  async stage() {
    throw Object.assign(new Error("not there yet"), { code: "internal.bug" });
  },
  async listen() {
    return () => {};
  },
};

expose(none);
