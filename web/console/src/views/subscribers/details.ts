import type { SubscriberDetails } from "../../api/types.ts";

/** A record that nobody has filled in. */
export const BLANK: SubscriberDetails = {
  kind: "person",
  company: "",
  registration: "",
  surname: "",
  given_name: "",
  born_on: "",
  born_at: "",
  street: "",
  postcode: "",
  city: "",
  country: "FR",
  email: "",
  phone: "",
  address: "",
  contract: "",
  payment: "",
  payment_reference: "",
};

type Field = keyof SubscriberDetails;
const FIELDS = Object.keys(BLANK) as Field[];

export function detailsOf(record: SubscriberDetails): SubscriberDetails {
  return Object.fromEntries(
    FIELDS.map((name) => [name, record[name]]),
  ) as unknown as SubscriberDetails;
}

/** What a correction sends: what is another than before, alone. The line's address is none of it. */
export function corrected(
  before: SubscriberDetails,
  after: SubscriberDetails,
): Partial<SubscriberDetails> {
  const changed = FIELDS.filter((name) => name !== "address" && before[name] !== after[name]);
  return Object.fromEntries(changed.map((name) => [name, after[name]]));
}
