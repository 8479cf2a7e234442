import { describe, expect, it } from "vitest";
import { isShowable, pictureOf } from "../../src/client/picture";
import { concat, fromHex, utf8 } from "../../src/wire/bytes";
import { gif, jpeg, png, vp8, vp8x } from "./pictures";

describe("a picture", () => {
  it("says what it is and how large", () => {
    const still = { width: 28, height: 21, moving: false };
    expect(pictureOf(png(28, 21))).toEqual({ type: "image/png", ...still });
    expect(pictureOf(jpeg(28, 21))).toEqual({ type: "image/jpeg", ...still });
    expect(pictureOf(vp8(28, 21))).toEqual({ type: "image/webp", ...still });
    const moving = { width: 28, height: 21, moving: true };
    expect(pictureOf(vp8x(28, 21))).toEqual({ type: "image/webp", ...moving });
    expect(pictureOf(gif(28, 21))).toEqual({ type: "image/gif", ...moving });
    // 64 x 32, lossless: fourteen bits each, less one.
    const lossless = concat(
      utf8("RIFF"),
      fromHex("20000000"),
      utf8("WEBPVP8L"),
      fromHex("140000002f3fc00700"),
    );
    expect(pictureOf(lossless)).toMatchObject({ type: "image/webp", width: 64, height: 32 });
  });

  it("is shown up to so many pixels", () => {
    for (const make of [png, jpeg, vp8, vp8x, gif]) {
      expect(isShowable(make(2048, 1536))).toBe(true);
      expect(isShowable(make(8000, 6000))).toBe(true);
    }
    for (const make of [png, jpeg, vp8x, gif]) {
      expect(isShowable(make(16_384, 16_384))).toBe(false);
      expect(isShowable(make(16_385, 1))).toBe(false);
      expect(isShowable(make(65_535, 65_535))).toBe(false);
    }
    expect(isShowable(png(0, 10))).toBe(false);
    expect(isShowable(utf8("<svg xmlns='http://www.w3.org/2000/svg'/>"))).toBe(false);
    expect(isShowable(new Uint8Array())).toBe(false);
  });

  it("has one frame header, the one that a decoder finds", () => {
    const small = jpeg(10, 10).slice(2);
    const large = jpeg(60_000, 60_000).slice(2);
    const hides: [string, string][] = [
      ["fill bytes", "ffd8ff"],
      ["a frame of another kind", "ffd8ffc9000b08ea60ea6001011100"],
      ["a marker without a length", "ffd8ffd0"],
      ["bytes that are no marker", "ffd800"],
      ["a second beginning", "ffd8ffd8"],
    ];
    for (const [what, before] of hides)
      expect(isShowable(concat(fromHex(before), large, small)), what).toBe(false);
    expect(isShowable(concat(fromHex("ffd8"), large, small))).toBe(false);
    // A comment as long as what it hides is a comment to every decoder.
    const hidden = concat(
      fromHex("ffd8fffe"),
      Uint8Array.from([0, large.length + 2]),
      large,
      small,
    );
    expect(pictureOf(hidden)).toMatchObject({ width: 10, height: 10 });
  });
});
