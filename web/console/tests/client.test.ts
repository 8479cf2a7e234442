/** How the console asks the desk: with its header, once more after a fresh sign-in, and plainly over when it is. */
import { afterEach, expect, test, vi } from "vitest";
import { ApiError, get, hooks, post, queried } from "../src/api/client.ts";

const answer = (status: number, body: unknown) => new Response(JSON.stringify(body), { status });
const refused = (code: string) => answer(403, { code, message: "Said so.", fields: [] });

afterEach(() => {
  vi.unstubAllGlobals();
});

function relay(...answers: Response[]) {
  const asked = vi.fn(async (_url: string, _request: RequestInit) => {
    const next = answers.shift();
    if (next === undefined) throw new TypeError("no network");
    return next;
  });
  vi.stubGlobal("fetch", asked);
  return asked;
}

test("what is made bears the page's header and its own key", async () => {
  const asked = relay(answer(201, { id: "x" }));
  await post("/plans", { name: "Six" }, { once: "k".repeat(32) });
  const [url, request] = asked.mock.calls[0] ?? [];
  expect(url).toBe("/v1/desk/plans");
  expect(request?.headers).toMatchObject({ "Chappe-Desk": "1", "Idempotency-Key": "k".repeat(32) });
});

test("a fresh sign-in is asked for, and what was wanted is done then", async () => {
  const asked = relay(refused("desk.sign_in_again"), answer(200, { items: [] }));
  hooks.again = async () => true;
  expect(await get("/tokens")).toEqual({ items: [] });
  expect(asked).toHaveBeenCalledTimes(2);
  relay(refused("desk.sign_in_again"));
  hooks.again = async () => false;
  await expect(get("/tokens")).rejects.toMatchObject({ code: "desk.sign_in_again" });
});

test("a session that is over is told of, and a silent relay is no answer", async () => {
  const over = vi.fn();
  hooks.over = over;
  relay(refused("desk.signed_out"));
  await expect(get("/session")).rejects.toBeInstanceOf(ApiError);
  expect(over).toHaveBeenCalledOnce();
  relay();
  await expect(get("/session")).rejects.toMatchObject({ code: "network" });
  relay(new Response("<h1>Bad gateway</h1>", { status: 502 }));
  await expect(get("/session")).rejects.toMatchObject({ code: "network" });
});

test("empty filters are left out", () => {
  expect(queried({ after: null, limit: 50, search: "", closed: false })).toBe(
    "?limit=50&closed=false",
  );
});
