/** Headers of pictures, for tests. */

import { concat, fromHex, utf8 } from "../../src/wire/bytes";

const two = (n: number): number[] => [n >> 8, n & 255];
export const png = (width: number, height: number): Uint8Array =>
  concat(
    fromHex("89504e470d0a1a0a0000000d49484452"),
    Uint8Array.from([0, 0, ...two(width), 0, 0, ...two(height), 8, 2, 0, 0, 0]),
  );
export const jpeg = (width: number, height: number, before = "ffe000044a46"): Uint8Array =>
  concat(
    fromHex(`ffd8${before}ffc0001108`),
    Uint8Array.from([...two(height), ...two(width), 3, 1, 0x22, 0]),
  );
export const vp8 = (width: number, height: number): Uint8Array =>
  concat(
    utf8("RIFF"),
    fromHex("20000000"),
    utf8("WEBPVP8 "),
    fromHex("140000009001009d012a"),
    Uint8Array.from([width & 255, width >> 8, height & 255, height >> 8]),
  );

/** With an animation, perhaps: the canvas in three bytes each, less one. */
export const vp8x = (width: number, height: number): Uint8Array =>
  concat(
    utf8("RIFF"),
    fromHex("20000000"),
    utf8("WEBPVP8X"),
    fromHex("0a00000002000000"),
    ...[width - 1, height - 1].map((one) =>
      Uint8Array.from([one & 255, (one >> 8) & 255, one >> 16]),
    ),
  );
export const gif = (width: number, height: number): Uint8Array =>
  concat(
    utf8("GIF89a"),
    Uint8Array.from([width & 255, width >> 8, height & 255, height >> 8, 0, 0]),
  );
