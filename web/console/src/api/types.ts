/** What the desk answers (OpenAPI 3.1 at /v1/desk/openapi.json), of what this page uses. Times are ISO 8601. */
export type Role = "operator" | "reseller" | "officer" | "auditor";

export interface Page<T> {
  items: T[];
  next: string | null;
}

export interface SessionView {
  account: string | null;
  role: Role;
  name: string;
  email: string;
  language: string;
  reseller: string | null;
  organisation: string | null;
  enrolling: boolean;
  recovery_codes: number;
  operations: string[];
  signed_in_at: string | null;
  ends_at: string | null;
}

export interface PasskeyView {
  id: string;
  label: string;
  created_at: string;
  used_at: string | null;
}

export interface TokenView {
  id: string;
  label: string;
  scopes: string[];
  created_at: string;
  expires_at: string;
  revoked_at: string | null;
  used_at: string | null;
}

export interface AccountView {
  id: string;
  role: Role;
  name: string;
  email: string;
  language: string;
  reseller: string | null;
  organisation: string | null;
  created_at: string;
  closed_at: string | null;
  version: number;
  passkeys: number;
  recovery_codes: number;
}

export interface EntryView {
  number: number;
  at: string;
  what: string;
  text: { en: string; fr: string };
  by: string;
  account: string | null;
  token: string | null;
  subject: string | null;
  reseller: string | null;
  organisation: string | null;
  details: Record<string, string | number | boolean | null>;
  root: string;
  data: string;
}

export interface HeadView {
  size: number;
  root: string;
}

export type Standing = "applied" | "coming" | "accredited" | "suspended" | "expired" | "ended";

export interface Particulars {
  name: string;
  trade_name: string;
  country: string;
  registration: string;
  vat_number: string;
  street: string;
  postcode: string;
  city: string;
  website: string;
  contact_name: string;
  contact_email: string;
  contact_phone: string;
  language: string;
}

export interface ResellerView extends Particulars {
  id: string;
  standing: Standing;
  applied_at: string;
  accredited_from: string | null;
  accredited_until: string | null;
  contract: string | null;
  suspended_at: string | null;
  ended_at: string | null;
  reason: string;
  version: number;
}

export type Stage = "none" | "active" | "grace" | "suspended" | "closed";

export interface LineTerm {
  last_day: string;
  months: number;
  days_left: number;
  reminder: number | null;
  ends: string;
  suspends: string;
  closes: string;
  forgotten: string;
}

export interface LineView {
  id: string;
  organisation: string | null;
  address: string;
  created_at: string;
  stage: Stage;
  term: LineTerm | null;
  held: boolean;
  erased: boolean;
  devices: number;
}

export interface LinePage extends Page<LineView> {
  total: number;
}

export interface DeviceView {
  id: string;
  created_at: string;
  signed_out_at: string | null;
}

export interface OrganisationView {
  id: string;
  name: string;
  created_at: string;
  lines: number;
  officers: number;
}

export interface Imported {
  dry_run: boolean;
  encoding: "utf-8" | "latin-1";
  separator: string;
  columns: string[];
  rows: number;
  problems: { row: number; column: string; message: string }[];
  more_problems: boolean;
  lines: { row: number; address: string; code: string }[];
  fleet_key: string;
}

export interface OverviewView {
  at: string;
  lines: Record<Stage, number> & { within_30_days: number; within_7_days: number };
  erasures: {
    awaiting: number;
    ordered: number;
    unreadable: number;
    removed: number;
    erased: number;
  };
  load: {
    sockets: number;
    waiting_bytes: number;
    devices: number;
    mail: number;
    attachment_bytes: number;
  } | null;
  unlocks: { devices: number; failing: number; worn_out: number } | null;
}

export interface PlanView {
  id: string;
  name: string;
  months: number;
  unit_net: number;
  currency: string;
  vat_rate: number;
  created_at: string;
  withdrawn_at: string | null;
  version: number;
}

export interface OrderView {
  id: string;
  reference: string;
  reseller: string;
  organisation: string | null;
  plan: string;
  months: number;
  quantity: number;
  unit_net: number;
  currency: string;
  vat_rate: number;
  ordered_at: string;
  invoice: string;
  made_at: string | null;
  cancelled_at: string | null;
  version: number;
}

export interface OrderedCodes {
  order: OrderView;
  codes: string[];
  fleet_key: string;
  expires_at: string;
}

export interface CodeStates {
  used: number;
  open: number;
  expired: number;
  voided: number;
}

export interface InvoiceView {
  number: string;
  kind: "invoice" | "credit_note";
  reseller: string;
  order: string;
  buyer: string;
  issued: string;
  due: string;
  currency: string;
  net: number;
  vat: number;
  gross: number;
  owed: number;
  refers_to: string;
}

export interface SoldView {
  month: string;
  reseller: string;
  name: string;
  currency: string;
  net: number;
  vat: number;
  codes: number;
}

/** Of a subscriber's record, without who it is. */
export interface SubscriberSummary {
  id: string;
  line: string | null;
  organisation: string | null;
  began_on: string;
  ended_on: string | null;
  account_until: string | null;
  identity_until: string | null;
  reduced_at: string | null;
  version: number;
}

/** What is filed of a subscriber, and may be corrected; `address` only when it is filed. */
export interface SubscriberDetails {
  kind: "person" | "company";
  company: string;
  registration: string;
  surname: string;
  given_name: string;
  born_on: string;
  born_at: string;
  street: string;
  postcode: string;
  city: string;
  country: string;
  email: string;
  phone: string;
  address: string;
  contract: string;
  payment: string;
  payment_reference: string;
}

export interface SubscriberWhole extends SubscriberSummary, SubscriberDetails {
  created_at: string;
}

/** The operator, as invoices name him. `version`: 0 where nothing was set. */
export interface SellerBody {
  name: string;
  street: string;
  postcode: string;
  city: string;
  country: string;
  registration: string;
  vat_number: string;
  email: string;
  iban: string;
  version: number;
}

export type Treatment = "standard" | "reverse_charge" | "exempt";

export interface TermsBody {
  treatment: Treatment;
  exemption: string;
  payment_days: number;
  version: number;
}

export interface BookingView {
  number: number;
  at: string;
  kind: "sale" | "credit" | "payment";
  paper: string;
  reseller: string;
  currency: string;
  postings: { account: string; name: string; amount: number }[];
}

export interface CheckedView {
  bookings: number;
  invoices: number;
  balances: { account: string; name: string; currency: string; amount: number }[];
}
