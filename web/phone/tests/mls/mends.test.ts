import { describe, expect, it } from "vitest";
import { mend, mends, mendTsMls } from "../../src/mls/mends";

describe("mends of ts-mls", () => {
  it("are refused by a file without the fault", () => {
    expect(() => mend("index.js", "export const nothing = 1;")).toThrow("does not have the fault");
  });

  it("are refused by a file that has it twice", () => {
    const from = mends.find((one) => one.file === "index.js")?.from ?? "";
    expect(() => mend("index.js", from + from)).toThrow("does not have the fault");
  });

  it("touch the files of ts-mls alone", () => {
    const { transform } = mendTsMls();
    expect(transform("export {};", "/x/node_modules/other/dist/src/index.js")).toBeNull();
    expect(() => transform("export {};", "/x/node_modules/ts-mls/dist/src/index.js")).toThrow();
  });

  it("are all in what is loaded here", async () => {
    const loaded: object = await import("ts-mls");
    expect("mended" in loaded).toBe(true);
  });
});
