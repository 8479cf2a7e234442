import type { Particulars } from "../../api/types.ts";
import { words } from "../../i18n/index.ts";

export function blank(): Particulars {
  return {
    name: "",
    trade_name: "",
    country: "FR",
    registration: "",
    vat_number: "",
    street: "",
    postcode: "",
    city: "",
    website: "",
    contact_name: "",
    contact_email: "",
    contact_phone: "",
    language: words.language,
  };
}

/** Of a reseller, what it said of itself. */
export function particularsOf(one: Particulars): Particulars {
  const names = Object.keys(blank()) as (keyof Particulars)[];
  return Object.fromEntries(names.map((name) => [name, one[name]])) as unknown as Particulars;
}
