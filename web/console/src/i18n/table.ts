/** All words of the console, English and French side by side. */
import { audit } from "./audit.ts";
import { books } from "./books.ts";
import { charts } from "./charts.ts";
import { common } from "./common.ts";
import { desk } from "./desk.ts";
import { errors } from "./errors.ts";
import { fleet } from "./fleet.ts";
import { lines } from "./lines.ts";
import { officers } from "./officers.ts";
import { sales } from "./sales.ts";
import { signing } from "./signing.ts";
import { subscribers } from "./subscribers.ts";

/** English, French. */
export type Pair = readonly [string, string];

export const TABLE = {
  ...common,
  ...errors,
  ...signing,
  ...charts,
  ...lines,
  ...sales,
  ...desk,
  ...fleet,
  ...audit,
  ...officers,
  ...books,
  ...subscribers,
} satisfies Record<string, Pair>;
