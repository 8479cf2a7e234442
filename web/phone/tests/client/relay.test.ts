/** What is tested on a real relay: one for all of it, for it takes some seconds to start. */

import { afterAll, beforeAll, describe } from "vitest";
import { connectionTests } from "./connectionTests";
import { noRelay, Relay } from "./relay";
import { transferTests } from "./transferTests";

describe.skipIf(noRelay())("on a real relay", () => {
  let relay: Relay;
  beforeAll(async () => {
    relay = await Relay.start();
  });
  afterAll(() => relay.stop());

  describe("the connection", () => connectionTests(() => relay));
  describe("files", () => transferTests(() => relay));
});
