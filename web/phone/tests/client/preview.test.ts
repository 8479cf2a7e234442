import { describe, expect, it } from "vitest";
import {
  mediaOfMeta,
  metaOfMedia,
  metaOfPage,
  previewBytes,
  previewUrl,
} from "../../src/client/preview";
import { concat, fromHex, utf8 } from "../../src/wire/bytes";

import { gif, jpeg, png, vp8, vp8x } from "./pictures";

const moving = (width: number, height: number): Uint8Array =>
  concat(png(width, height), fromHex("00000000000000086163544c"), new Uint8Array(12));

describe("a preview", () => {
  it("does not move: what flashes is nobody's preview", () => {
    expect(previewUrl(moving(28, 21))).toBe("");
    expect(previewUrl(png(28, 21))).not.toBe("");
  });

  it("is nothing where it is no picture, or would be too large", () => {
    const bombs = [png(513, 1), png(65535, 65535), jpeg(1, 513), jpeg(0, 5), vp8(513, 2)];
    const others = [
      new Uint8Array(),
      utf8("<svg xmlns='http://www.w3.org/2000/svg'/>"),
      utf8("GIF89a...."),
    ];
    // They move, or might.
    for (const data of [gif(28, 21), vp8x(28, 21)]) expect(previewUrl(data)).toBe("");
    const cut = [0, 1, 5, 15, 20].map((end) => png(2, 2).subarray(0, end));
    const loop = concat(fromHex("ffd8"), fromHex("ffe00000").slice(), fromHex("ffe00000"));
    for (const data of [...bombs, ...others, ...cut, loop]) expect(previewUrl(data)).toBe("");
    expect(previewUrl(concat(png(2, 2), new Uint8Array(6144)))).toBe("");
  });

  it("goes to a URL and back, and nothing else does", () => {
    const url = previewUrl(jpeg(28, 21));
    expect(url).toMatch(/^data:image\/jpeg;base64,/);
    expect(previewBytes(url)).toEqual(jpeg(28, 21));
    for (const bad of [
      "",
      "data:image/svg+xml;base64,AAAA",
      "data:text/html;base64,AAAA",
      "data:image/png;base64,A",
      "https://x/",
    ])
      expect(previewBytes(bad)).toHaveLength(0);
  });
});

describe("what is said of a file", () => {
  it("is what the page knew, within its bounds", () => {
    const waveform = Array.from({ length: 128 }, (_, at) => at * 3);
    const meta = metaOfPage({ seconds: 2.2, waveform, width: -1, height: Number.NaN });
    expect(meta).toMatchObject({ kind: "voice", seconds: 3, width: 0, height: 0, preview: "" });
    expect(meta.waveform).toHaveLength(64);
    expect(Math.max(...meta.waveform)).toBe(255);
    expect(metaOfMedia(mediaOfMeta(meta))).toEqual(meta);
    expect(metaOfPage({ width: 640, height: 480 }).kind).toBe("photo");
    expect(mediaOfMeta(metaOfPage({}))).toBeNull();
  });
});
