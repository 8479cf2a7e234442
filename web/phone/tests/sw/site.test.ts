/** What the service worker serves, and what it does not take, whatever the relay hands out. */
import { beforeEach, describe, expect, test } from "vitest";
import { RefusedRelease } from "../../src/sw/release.ts";
import { Site } from "../../src/sw/site.ts";
import { Caches } from "./caches.ts";
import { keyFile, type Made, make, pinned } from "./releases.ts";

const ORIGIN = "https://relay.example:8440";
const key = keyFile();
const one = make(key, { "index.html": "one", "assets/a-11111111.js": "a1", "sw.js": "s" }, 1);
const two = make(key, { "index.html": "two", "assets/b-22222222.js": "b2", "sw.js": "s" }, 2);

let served: Map<string, Uint8Array<ArrayBuffer>>;
let online: boolean;
let caches: Caches;
let site: Site;

function serve(made: Made) {
  served = new Map(made.files);
  served.set("/", made.files.get("/index.html") ?? new Uint8Array());
  served.delete("/index.html");
  served.set("/release.json", made.manifest);
  served.set("/release.sig", made.signature);
}

function newSite(): Site {
  return new Site(pinned(key), caches as unknown as CacheStorage, ORIGIN, async (path) => {
    if (!online) throw new TypeError("no network");
    const body = served.get(path);
    return body ? new Response(body) : new Response("", { status: 404 });
  });
}

async function text(path: string): Promise<string | null> {
  return (await (await site.answer(path))?.text()) ?? null;
}

async function refusal(): Promise<string> {
  try {
    return (await site.update()) ? "taken" : "the same";
  } catch (problem) {
    if (problem instanceof RefusedRelease) return problem.reason;
    throw problem;
  }
}

beforeEach(() => {
  caches = new Caches();
  online = true;
  serve(one);
  site = newSite();
});

describe("the console", () => {
  const both = make(
    key,
    {
      "index.html": "phone",
      "console/index.html": "console",
      "console/assets/c-33333333.js": "c3",
    },
    1,
  );
  const CHUNK = "/console/assets/c-33333333.js";

  beforeEach(async () => {
    serve(both);
    served.set("/console/", new TextEncoder().encode("console"));
    served.delete("/console/index.html");
    await site.update();
  });

  test("costs a phone nothing until somebody opens it", async () => {
    served.delete(CHUNK);
    expect(await text("/console/").catch(() => "refused")).toBe("console");
    served.clear();
    expect(await text("/")).toBe("phone");
    await expect(text(CHUNK)).rejects.toThrow(RefusedRelease);
  });

  test("is the signed one, or does not open", async () => {
    served.set("/console/", new TextEncoder().encode("evil"));
    served.set(CHUNK, new TextEncoder().encode("evil"));
    await expect(text("/console/")).rejects.toThrow(RefusedRelease);
    await expect(text(CHUNK)).rejects.toThrow(RefusedRelease);
    served.set(CHUNK, new TextEncoder().encode("c3"));
    expect(await text(CHUNK)).toBe("c3");
  });
});

describe("a first release", () => {
  test("is taken whole, and served without a network, after a restart too", async () => {
    expect(await refusal()).toBe("taken");
    online = false;
    site = newSite();
    expect(await text("/")).toBe("one");
    expect(await text("/assets/a-11111111.js")).toBe("a1");
    expect(await text("/other.js")).toBeNull();
    expect(await refusal()).toBe("unreachable");
    expect((await site.state()).refused).toBe("");
  });

  test("with a changed file is not taken at all", async () => {
    served.set("/assets/a-11111111.js", new TextEncoder().encode("evil"));
    expect(await refusal()).toBe("file");
    expect((await site.state()).release).toBeNull();
    expect(await caches.keys()).toEqual(["chappe-state"]);
    expect(await text("/")).toBeNull();
  });

  test("carries the policy of this code, not the relay's", async () => {
    await site.update();
    const headers = (await site.answer("/"))?.headers;
    expect(headers?.get("content-security-policy")).toContain(
      "default-src 'none'; script-src 'self' 'wasm-unsafe-eval';",
    );
    expect(headers?.get("content-security-policy")).toContain(
      "connect-src 'self' wss://relay.example:8440;",
    );
    expect(headers?.get("content-type")).toBe("text/html; charset=utf-8");
    expect(headers?.get("cross-origin-embedder-policy")).toBe("require-corp");
  });
});

describe("a second release", () => {
  beforeEach(async () => {
    await site.update();
  });

  test("takes the place of the first, whose files an open page still gets", async () => {
    serve(two);
    expect(await refusal()).toBe("taken");
    expect(await text("/")).toBe("two");
    online = false;
    expect(await text("/assets/a-11111111.js")).toBe("a1");
  });

  test("is the same: nothing changes", async () => {
    expect(await refusal()).toBe("the same");
  });

  test.each([
    ["another key signed", "signature", () => serve(make(keyFile(), { "index.html": "evil" }, 9))],
    ["nobody signed", "file", () => served.delete("/release.sig")],
    [
      "lacks a file",
      "file",
      () => {
        serve(two);
        served.delete("/assets/b-22222222.js");
      },
    ],
    [
      "has a changed page",
      "file",
      () => {
        serve(two);
        served.set("/", new TextEncoder().encode("evil"));
      },
    ],
    [
      "is a mix of two",
      "signature",
      () => {
        serve(two);
        served.set("/release.sig", one.signature);
      },
    ],
  ])("that %s is refused (%s), and the first goes on", async (_what, reason, change) => {
    change();
    expect(await refusal()).toBe(reason);
    expect((await site.state()).refused).toBe(reason);
    online = false;
    site = newSite();
    expect(await text("/")).toBe("one");
    expect((await site.state()).refused).toBe(reason);
  });

  test("that is older is refused, though it was signed once", async () => {
    serve(two);
    await site.update();
    serve(one);
    expect(await refusal()).toBe("older");
    expect(await text("/")).toBe("two");
  });

  test("that is whole again clears what was said of a broken one", async () => {
    serve(two);
    served.set("/", new TextEncoder().encode("evil"));
    expect(await refusal()).toBe("file");
    serve(two);
    expect(await refusal()).toBe("taken");
    expect((await site.state()).refused).toBe("");
  });
});

test("a file that the browser dropped comes anew, and only as it was", async () => {
  await site.update();
  const cache = [...caches.all].find(([name]) => name.startsWith("chappe-release-"))?.[1];
  cache?.delete("/assets/a-11111111.js");
  served.set("/assets/a-11111111.js", new TextEncoder().encode("evil"));
  await expect(site.answer("/assets/a-11111111.js")).rejects.toThrow(RefusedRelease);
  serve(one);
  expect(await text("/assets/a-11111111.js")).toBe("a1");
});

test("only two releases are kept", async () => {
  for (let serial = 1; serial <= 4; serial += 1) {
    serve(make(key, { "index.html": `${serial}` }, serial));
    await site.update();
  }
  expect((await caches.keys()).filter((name) => name.startsWith("chappe-release-"))).toHaveLength(
    2,
  );
});

describe("a relay that chooses its moments", () => {
  const three = make(key, { "index.html": "three", "sw.js": "s" }, 3);

  test("puts no older release back through another worker's memory", async () => {
    await site.update();
    const other = newSite();
    await other.update();
    serve(three);
    await other.update();
    serve(two);
    expect(await refusal()).toBe("older");
    expect(await text("/")).toBe("three");
  });

  test("puts none back by two answers at once", async () => {
    await site.update();
    let go: () => void = () => {};
    const wait = new Promise<void>((done) => {
      go = done;
    });
    serve(two);
    const late = new Map(served);
    const slow = new Site(pinned(key), caches as unknown as CacheStorage, ORIGIN, async (path) => {
      if (path === "/assets/b-22222222.js") await wait;
      return new Response(late.get(path) ?? "");
    });
    const ends = slow.update().catch((problem) => problem.reason);
    await new Promise((done) => setTimeout(done, 20));
    serve(three);
    expect(await refusal()).toBe("taken");
    go();
    expect(await ends).toBe("older");
    expect((await newSite().state()).release?.serial).toBe(3);
    expect(await text("/")).toBe("three");
  });
});
