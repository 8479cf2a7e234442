/**
 * What a decoded value has to look like. A `Shape` takes anything and gives it typed, or throws `Misfit`; the
 * limits of docs/protocol.md are written once, in the shapes of frames, bodies and what is sealed.
 */

import type { Bytes } from "./bytes";

export class Misfit extends Error {}

export type Shape<T> = (value: unknown) => T;
export type Of<S> = S extends Shape<infer T> ? T : never;

/** A field that may be absent, which then has this value. */
export interface Optional<T> {
  shape: Shape<T>;
  absent: T;
}

export function bytes(least: number, most: number = least): Shape<Bytes> {
  return (value) => {
    if (!(value instanceof Uint8Array) || value.length < least || value.length > most) {
      throw new Misfit("bytes");
    }
    // A copy: what a decoder gives is a view of the whole message.
    return new Uint8Array(value);
  };
}

/** A whole number. */
export function int(least: number, most: number): Shape<number> {
  return (value) => {
    if (typeof value !== "number" || !Number.isInteger(value) || value < least || value > most) {
      throw new Misfit("int");
    }
    return value;
  };
}

/** Lengths in characters (code points), as Python counts them. */
export function text(least = 0, most = Number.POSITIVE_INFINITY, pattern?: RegExp): Shape<string> {
  return (value) => {
    if (typeof value !== "string") throw new Misfit("text");
    const length =
      value.length < least || most !== Number.POSITIVE_INFINITY ? [...value].length : least;
    if (length < least || length > most || pattern?.test(value) === false) throw new Misfit("text");
    return value;
  };
}

export function oneOf<const T extends string>(...choices: T[]): Shape<T> {
  return (value) => {
    const found = choices.find((choice) => choice === value);
    if (found === undefined) throw new Misfit("choice");
    return found;
  };
}

export const bool: Shape<boolean> = (value) => {
  if (typeof value !== "boolean") throw new Misfit("boolean");
  return value;
};

export function nullable<T>(shape: Shape<T>): Shape<T | null> {
  return (value) => (value === null ? null : shape(value));
}

export function list<T>(item: Shape<T>, least = 0, most = Number.POSITIVE_INFINITY): Shape<T[]> {
  return (value) => {
    if (!Array.isArray(value) || value.length < least || value.length > most)
      throw new Misfit("list");
    return value.map(item);
  };
}

export function optional<T>(shape: Shape<T>, absent: T): Optional<T> {
  return { shape, absent };
}

type Fields = Record<string, Shape<unknown> | Optional<unknown>>;
type Value<F> = F extends Shape<infer T> ? T : F extends Optional<infer T> ? T : never;
type Struct<F extends Fields> = { [K in keyof F]: Value<F[K]> };

/** A map with these fields and no others. What it gives has them in this order: so they are encoded. */
export function struct<F extends Fields>(fields: F): Shape<Struct<F>> {
  const names = Object.keys(fields);
  return (value) => {
    if (
      typeof value !== "object" ||
      value === null ||
      Object.getPrototypeOf(value) !== Object.prototype
    ) {
      throw new Misfit("map");
    }
    const given = value as Record<string, unknown>;
    if (Object.keys(given).some((name) => !Object.hasOwn(fields, name)))
      throw new Misfit("unknown field");
    return Object.fromEntries(
      names.map((name) => [name, field(fields[name] as Shape<unknown>, given, name)]),
    ) as Struct<F>;
  };
}

function field(
  shape: Shape<unknown> | Optional<unknown>,
  given: Record<string, unknown>,
  name: string,
): unknown {
  const there = Object.hasOwn(given, name);
  if (typeof shape === "function") {
    if (!there) throw new Misfit("missing field");
    return shape(given[name]);
  }
  return there ? shape.shape(given[name]) : shape.absent;
}
