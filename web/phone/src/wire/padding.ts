/**
 * How much padding a message gets, so that its size tells little: to 256 bytes, then PADMÉ (Nikitin et al.,
 * PETS 2019, section 4).
 */

export const LEAST = 256;

/** The length that `length` bytes are padded to; both in bytes. Throws RangeError if it is none. */
export function paddedLength(length: number): number {
  if (!Number.isSafeInteger(length) || length < 0) throw new RangeError("a length is not negative");
  if (length <= LEAST) return LEAST;
  const exponent = bits(length) - 1;
  const step = 2 ** (exponent - bits(exponent));
  return Math.ceil(length / step) * step;
}

/** Bytes to add to `length` bytes. */
export function paddingFor(length: number): number {
  return paddedLength(length) - length;
}

/** How many bits a number has. */
function bits(value: number): number {
  return value.toString(2).length;
}
