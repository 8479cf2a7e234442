import type { Stage, Standing } from "../api/types.ts";

type Kind = "good" | "warn" | "bad" | "plain";

export function stageKind(stage: Stage): Kind {
  return (
    { active: "good", grace: "warn", suspended: "bad", closed: "plain", none: "plain" } as const
  )[stage];
}

export function standingKind(standing: Standing): Kind {
  if (standing === "accredited") return "good";
  if (standing === "suspended") return "bad";
  return standing === "applied" || standing === "expired" ? "warn" : "plain";
}
