/** Every view of the console, who sees it, and where it stands. */
import type { Component } from "svelte";
import type { IconName } from "../../phone/src/ui/parts/icons.ts";
import type { session } from "./model/session.svelte.ts";
import Overview from "./views/Overview.svelte";

type Session = typeof session;

interface View {
  view: Component;
  icon: IconName;
  shown: (session: Session) => boolean;
}

export type ViewName = "overview";

export const VIEWS: Record<ViewName, View> = {
  overview: { view: Overview, icon: "star", shown: () => true },
};

export const GROUPS: { name: string; views: ViewName[] }[] = [
  { name: "network", views: ["overview"] },
];
