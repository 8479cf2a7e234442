/** What the store is spoken to in: tables, names, numbers. */

import { toHex } from "../wire/bytes";
import type { Name } from "./records";

export type { Name } from "./records";

/** The last number that a record may have. */
export const LAST = Number.MAX_SAFE_INTEGER;

/** A table and the type of its values: what MessagePack carries, so no functions, dates or class instances. */
export interface Table<T> {
  readonly name: string;
  /** Never set; it only ties the type to the name. */
  readonly holds?: T;
}

export function table<T>(name: string): Table<T> {
  return { name };
}

/** Where a record is in its table. */
export type At = readonly [name: Name, number: number];

export interface Numbered<T> {
  number: number;
  value: T;
}

export interface Range {
  /** First and last number, both included; all where left out. */
  from?: number;
  to?: number;
  /** Highest number first. */
  newest?: boolean;
  limit?: number;
}

/** One record as a change stages it: `value` is undefined where it is deleted. */
export interface Staged {
  table: string;
  name: Name;
  number: number;
  value: unknown;
}

/** The one text for a place, for maps in memory. */
export function label(table: string, name: Name, number: number): string {
  return `${table}\0${typeof name === "string" ? `t${name}` : `b${toHex(name)}`}\0${number}`;
}
