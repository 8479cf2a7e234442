/** Hex in and out, and MLSMessages. */

import { decode, encode, mlsMessageDecoder, mlsMessageEncoder, protocolVersions } from "ts-mls";

/** @param {Uint8Array} bytes @returns {string} */
export const toHex = (bytes) => Buffer.from(bytes).toString("hex");

/**
 * @param {string} text
 * @returns {Uint8Array}
 * @throws {TypeError} for anything that is not hex
 */
export function fromHex(text) {
  if (typeof text !== "string" || !/^([0-9a-f]{2})*$/.test(text)) throw new TypeError("not lower-case hex");
  return new Uint8Array(Buffer.from(text, "hex"));
}

/**
 * @param {string} text hex of a whole MLSMessage
 * @param {...number} wireformats those that will do
 * @returns {import("ts-mls").MlsMessage}
 * @throws {TypeError}
 */
export function readMessage(text, ...wireformats) {
  const bytes = fromHex(text);
  const message = decode(mlsMessageDecoder, bytes);
  if (message === undefined) throw new TypeError("not an MLSMessage");
  if (!wireformats.includes(message.wireformat)) throw new TypeError(`wire format ${message.wireformat}`);
  return message;
}

/** @param {object} body a message body with its `wireformat` @returns {string} hex of the MLSMessage */
export const writeMessage = (body) => toHex(encode(mlsMessageEncoder, { version: protocolVersions.mls10, ...body }));
