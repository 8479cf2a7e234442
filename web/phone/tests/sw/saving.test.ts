import { expect, it } from "vitest";
import { type Saving, Savings } from "../../src/sw/saving";

const saving = (id: string, name = "report.pdf", cancelled: string[] = []): Saving => ({
  type: "save",
  id,
  name,
  size: 3,
  stream: new ReadableStream({
    start(out) {
      out.enqueue(Uint8Array.of(1, 2, 3));
      out.close();
    },
    cancel() {
      cancelled.push(id);
    },
  }),
});

it("gives a file once, to be saved and never shown", async () => {
  const savings = new Savings();
  savings.take(saving("one", "l'été (1)*.html"));
  expect(savings.answer("https://here/")).toBe(null);
  expect(savings.answer("https://here/saved/")).toBe(null);
  expect(savings.answer("https://here/saved/two")).toBe(null);
  const found = savings.answer("https://here/saved/one");
  expect(savings.answer("https://here/saved/one")).toBe(null);
  const { headers } = found?.response ?? new Response();
  expect(headers.get("content-disposition")).toBe(
    "attachment; filename*=UTF-8''l%27%C3%A9t%C3%A9%20%281%29%2A.html",
  );
  expect(headers.get("content-type")).toBe("application/octet-stream");
  expect(headers.get("content-security-policy")).toBe("sandbox; default-src 'none'");
  expect(headers.get("content-length")).toBe("3");
  expect(new Uint8Array((await found?.response.arrayBuffer()) ?? new ArrayBuffer(0))).toEqual(
    Uint8Array.of(1, 2, 3),
  );
  await found?.ended;
});

it("keeps no more than a few that nobody fetches", async () => {
  const savings = new Savings();
  for (let i = 0; i < 20; i++) savings.take(saving(String(i)));
  const kept = Array.from({ length: 20 }, (_, i) => savings.answer(`https://here/saved/${i}`));
  expect(kept.filter((one) => one !== null)).toHaveLength(8);
  expect(kept[19]).not.toBe(null);
});
