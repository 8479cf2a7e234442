/** Every view of the console, who sees it, and where it stands. */
import type { Component } from "svelte";
import type { IconName } from "../../phone/src/ui/parts/icons.ts";
import type { session } from "./model/session.svelte.ts";
import Accounts from "./views/Accounts.svelte";
import Books from "./views/Books.svelte";
import Fleet from "./views/Fleet.svelte";
import Invoices from "./views/Invoices.svelte";
import Lines from "./views/Lines.svelte";
import Log from "./views/Log.svelte";
import Me from "./views/Me.svelte";
import Orders from "./views/Orders.svelte";
import Overview from "./views/Overview.svelte";
import Own from "./views/Own.svelte";
import Plans from "./views/Plans.svelte";
import Resellers from "./views/Resellers.svelte";
import Subscribers from "./views/Subscribers.svelte";

type Session = typeof session;

interface View {
  view: Component;
  icon: IconName;
  /** What the desk does not let one do is not shown; the desk itself is what refuses. */
  shown: (session: Session) => boolean;
}

export type ViewName =
  | "overview"
  | "lines"
  | "subscribers"
  | "fleet"
  | "resellers"
  | "company"
  | "orders"
  | "invoices"
  | "plans"
  | "books"
  | "log"
  | "accounts"
  | "me";

const may = (operation: string) => (session: Session) => session.may(operation);
const isReseller = (session: Session) => session.who?.role === "reseller";

export const VIEWS: Record<ViewName, View> = {
  overview: { view: Overview, icon: "chart", shown: () => true },
  lines: { view: Lines, icon: "device", shown: may("lines.list") },
  subscribers: { view: Subscribers, icon: "pen", shown: may("subscribers.list") },
  fleet: { view: Fleet, icon: "shield", shown: (session) => session.who?.role === "officer" },
  resellers: {
    view: Resellers,
    icon: "people",
    shown: (session) => session.may("resellers.list") && !isReseller(session),
  },
  company: { view: Own, icon: "shield", shown: isReseller },
  orders: { view: Orders, icon: "ticket", shown: may("orders.list") },
  invoices: { view: Invoices, icon: "file", shown: may("invoices.list") },
  plans: { view: Plans, icon: "tag", shown: may("plans.list") },
  books: { view: Books, icon: "disk", shown: may("ledger.list") },
  log: { view: Log, icon: "clock", shown: may("log.list") },
  accounts: { view: Accounts, icon: "lock", shown: may("accounts.list") },
  me: { view: Me, icon: "key", shown: () => true },
};

export const GROUPS: { name: "network" | "sales" | "desk"; views: ViewName[] }[] = [
  { name: "network", views: ["overview", "lines", "subscribers", "fleet"] },
  { name: "sales", views: ["resellers", "company", "orders", "invoices", "plans", "books"] },
  { name: "desk", views: ["log", "accounts", "me"] },
];
