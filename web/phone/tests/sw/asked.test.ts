/** What the service worker answers itself, and what reaches the relay. */
import { expect, test } from "vitest";
import { pathFor } from "../../src/sw/asked.ts";

const ORIGIN = "https://relay.example:8440";
const ask = (path: string, destination = "", mode = "cors", method = "GET") =>
  pathFor({ url: new URL(path, ORIGIN).href, destination, mode, method }, ORIGIN);

test("what the page fetches from the relay goes there", () => {
  for (const path of ["/v1/attachments/00", "/release.json", "/release.sig", "/sw.js"])
    expect(ask(path)).toBeNull();
  expect(ask("/", "", "cors", "POST")).toBeNull();
  expect(ask("https://other.example/")).toBeNull();
});

test("no path of the relay opens as a page of this origin, however it is come by", () => {
  for (const path of ["/", "/v1/evil", "/v1/attachments/00", "/sw.js", "/release.json", "/x"]) {
    expect(ask(path, "document", "navigate")).toBe("/");
    expect(ask(path, "iframe", "navigate")).toBe("/");
  }
});

test("the console opens at one address, as the release has it", () => {
  expect(ask("/console/?x=1", "document", "navigate")).toBe("/console/");
  expect(ask("/console", "document", "navigate")).toBe("/console/");
  for (const path of ["/console/evil", "/console/../v1/evil", "//console/", "/consoles/"])
    expect(ask(path, "document", "navigate")).not.toBe("/console/");
});

test("nothing that runs or is shown comes from there", () => {
  for (const destination of [
    "script",
    "worker",
    "sharedworker",
    "style",
    "object",
    "embed",
    "image",
  ])
    expect(ask("/v1/evil", destination, "no-cors")).toBe("/v1/evil");
});

test("all else is the release's", () => {
  expect(ask("/assets/a-11111111.js", "script")).toBe("/assets/a-11111111.js");
  expect(ask("/other.js?x=1", "script")).toBe("/other.js");
});
