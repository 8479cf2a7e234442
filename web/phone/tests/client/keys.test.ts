/** Key packages while a clock is wrong: nothing is made that others cannot use, nothing thrown away. */

import { expect, test } from "vitest";
import type { Core } from "../../src/client/core";
import { Keys } from "../../src/client/keys";
import type { Wire } from "../../src/client/wire";

const NOW = 1_790_000_000;
const DAY = 24 * 3600;

/** A phone that would have to make all of them. */
function keys(relayTime: number, touched: string[]): Keys {
  const core = {
    now: () => NOW,
    meta: async () => undefined,
    get me() {
      touched.push("made");
      throw new Error("made");
    },
    change: async () => touched.push("changed"),
  };
  return new Keys(core as unknown as Core, { relayTime } as unknown as Wire);
}

test.each([-3650 * DAY, -2 * DAY, 2 * DAY, 3650 * DAY])(
  "a clock that is %i seconds off",
  async (apart) => {
    const touched: string[] = [];
    await keys(NOW + apart, touched).refill(0, false);
    expect(touched).toEqual([]);
  },
);

test("clocks as they are", async () => {
  const touched: string[] = [];
  await expect(keys(NOW + 60, touched).refill(0, false)).rejects.toThrow("made");
});
