// A browser behind a line protocol, for tests/e2e: one JSON request a line in, one JSON answer a line out.
//
//   {id, do: "launch", args, plain?}               start Chromium; plain: as a person does, with one phone in it
//   {id, do: "context", name, options}             a phone of its own: storage, workers, permissions
//   {id, do: "persist", name, folder, args, options}   the same in a browser of its own, kept in a folder
//   {id, do: "kill", context}                      end such a browser at once, with SIGKILL
//   {id, do: "pid", context}                       the process of such a browser
//   {id, do: "call", context, page, selector?, method, args}   a method of the page, or of a locator in it
//   {id, do: "evaluate", context, page, script, arg}           a function's source, run in the page
//   {id, do: "keys", context, page, press | type}  a key, or text, to whatever has the focus
//   {id, do: "offline", context, offline}
//   {id, do: "download", context, page, selector, path?}   press it; the file that comes, there or in base64
//   {id, do: "quota", context, page, bytes}        so much room for this origin's storage; -1: as it was
//   {id, do: "cdp", context, page, method, params, event?}     to the browser itself; its answer, or the named event
//   {id, do: "heard", context, page, event}        all such events of that session since this was asked first
//   {id, do: "worker", context, script, arg}       a function's source, run in the service worker
//   {id, do: "log", context}                       what the page wrote to its console, and errors
//   {id, do: "loaded", context}                    what page and workers fetched: [{url, bytes}], as on the wire
//   {id, do: "close", context?}
import { spawn } from "node:child_process";
import { mkdtemp, readFile, readlink, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const PROGRAM = process.env.CHAPPE_CHROMIUM ?? "/usr/bin/chromium";
const FLAGS = ["--no-sandbox", "--disable-dev-shm-usage"];

let browser;
let plainly = false;
let end = async () => browser?.close();
const contexts = new Map();

async function launch({ args, plain }) {
  plainly = plain === true;
  if (plainly) await launchPlainly(args ?? []);
  else
    browser = await chromium.launch({ executablePath: PROGRAM, args: [...FLAGS, ...(args ?? [])] });
  return browser.version();
}

/** playwright's own browsers show every page as visible, whatever is before it. Here one tab hides the others. */
async function launchPlainly(args) {
  const folder = await mkdtemp(join(tmpdir(), "chappe-chromium-"));
  const options = ["--headless", "--remote-debugging-port=0", `--user-data-dir=${folder}`];
  options.push("--no-first-run", "--lang=en-GB", ...args);
  // Its own first page asks the network for what it shows: one in three times nobody could connect for seconds,
  // sometimes for half a minute.
  const child = spawn(PROGRAM, [...FLAGS, ...options, "about:blank"], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  end = async () => {
    await browser?.close();
    child.kill();
    await ended;
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  browser = await chromium.connectOverCDP(await addressOf(child), { noDefaults: true });
}

async function addressOf(child) {
  for await (const line of createInterface({ input: child.stderr })) {
    const found = /listening on (ws:\S+)/.exec(line);
    if (found) {
      child.stderr.resume();
      return found[1];
    }
  }
  throw new Error("Chromium did not start");
}

async function contextOf(options) {
  if (!plainly) return browser.newContext(options);
  const [only] = browser.contexts();
  await only.grantPermissions(options.permissions ?? []);
  return only;
}

async function context({ name, options }) {
  return keep(name, await contextOf(options ?? {}), options);
}

async function persist({ name, folder, args, options }) {
  const opened = await chromium.launchPersistentContext(folder, {
    ...options,
    executablePath: PROGRAM,
    args: [...FLAGS, ...(args ?? [])],
  });
  return keep(name, opened, options, folder);
}

/** The folder's lock names its browser: a link to HOST-PID. */
async function kill({ context: name }) {
  const { opened, folder } = contexts.get(name);
  const pid = Number((await readlink(`${folder}/SingletonLock`)).split("-").at(-1));
  const closed = new Promise((done) => opened.once("close", done));
  process.kill(pid, "SIGKILL");
  await closed;
  return null;
}

/** The browser's own process, of a context that is kept in a folder. */
async function pid({ context: name }) {
  const { folder } = contexts.get(name);
  return Number((await readlink(`${folder}/SingletonLock`)).split("-").at(-1));
}

function keep(name, opened, options, folder) {
  opened.setDefaultTimeout(options?.timeout ?? 45_000);
  const log = [];
  opened.on("console", (message) => log.push(`${message.type()}: ${message.text()}`));
  opened.on("weberror", (problem) =>
    log.push(`error: ${problem.error().stack ?? problem.error()}`),
  );
  opened.on("requestfailed", (request) =>
    log.push(`failed: ${request.url()} ${request.failure()?.errorText}`),
  );
  const requests = [];
  opened.on("requestfinished", (request) => requests.push(request));
  contexts.set(name, { opened, folder, log, requests, pages: new Map(), sessions: new Map() });
  return null;
}

async function pageOf({ context: name, page }) {
  const found = contexts.get(name);
  if (!found.pages.has(page)) {
    const opened = await found.opened.newPage();
    opened.on("pageerror", (problem) => found.log.push(`error: ${problem.stack ?? problem}`));
    found.pages.set(page, opened);
  }
  return found.pages.get(page);
}

async function call(request) {
  const page = await pageOf(request);
  const target = request.selector === undefined ? page : page.locator(request.selector);
  const answer = await target[request.method](...(request.args ?? []));
  if (answer instanceof Uint8Array) return Buffer.from(answer).toString("base64");
  return ["string", "number", "boolean"].includes(typeof answer) || Array.isArray(answer)
    ? answer
    : null;
}

/** A key of the keyboard, or text, to whatever has the focus. */
async function keys(request) {
  const { keyboard } = await pageOf(request);
  if (request.press !== undefined) await keyboard.press(request.press);
  else await keyboard.type(request.type);
  return null;
}

async function evaluate(request) {
  const page = await pageOf(request);
  const run = new Function(`return (${request.script})`)();
  return (await page.evaluate(run, request.arg)) ?? null;
}

async function worker(request) {
  const { opened } = contexts.get(request.context);
  const here = opened.serviceWorkers()[0] ?? (await opened.waitForEvent("serviceworker"));
  const run = new Function(`return (${request.script})`)();
  return (await here.evaluate(run, request.arg)) ?? null;
}

async function offline({ context: name, offline: off }) {
  await contexts.get(name).opened.setOffline(off);
  return null;
}

async function download(request) {
  const page = await pageOf(request);
  const [coming] = await Promise.all([
    page.waitForEvent("download"),
    page.locator(request.selector).click(),
  ]);
  if (request.path !== undefined) {
    await coming.saveAs(request.path);
    return null;
  }
  return (await readFile(await coming.path())).toString("base64");
}

async function quota(request) {
  const page = await pageOf(request);
  const session = await page.context().newCDPSession(page);
  const origin = new URL(page.url()).origin;
  const room = request.bytes < 0 ? {} : { quotaSize: request.bytes };
  await session.send("Storage.overrideQuotaForOrigin", { origin, ...room });
  // The override ends with the session that asked for it.
  if (request.bytes < 0) await session.detach();
  return null;
}

/** The session stays as long as the page: what is enabled in it stays enabled. */
async function sessionOf(request) {
  const page = await pageOf(request);
  const { sessions } = contexts.get(request.context);
  if (!sessions.has(request.page))
    sessions.set(request.page, { to: await page.context().newCDPSession(page), heard: new Map() });
  return sessions.get(request.page);
}

async function cdp(request) {
  const { to } = await sessionOf(request);
  const event = request.event && new Promise((heard) => to.once(request.event, heard));
  const answer = await to.send(request.method, request.params ?? {});
  return event ? await event : answer;
}

async function heard(request) {
  const { to, heard: all } = await sessionOf(request);
  if (!all.has(request.event)) {
    const events = [];
    all.set(request.event, events);
    to.on(request.event, (event) => events.push(event));
  }
  return all.get(request.event);
}

async function log({ context: name }) {
  return contexts.get(name).log;
}

/** Without what the service worker fetches for later. */
async function loaded({ context: name }) {
  const asked = contexts.get(name).requests.filter((request) => !request.serviceWorker());
  return Promise.all(
    asked.map(async (request) => {
      const { responseBodySize, responseHeadersSize } = await request.sizes();
      return { url: request.url(), bytes: responseBodySize + responseHeadersSize };
    }),
  );
}

async function close({ context: name }) {
  if (name === undefined) await end();
  else await contexts.get(name).opened.close();
  return null;
}

const doings = {
  launch,
  context,
  persist,
  kill,
  pid,
  call,
  evaluate,
  worker,
  keys,
  offline,
  download,
  quota,
  cdp,
  heard,
  log,
  loaded,
  close,
};

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  doings[request.do](request).then(
    (value) => console.log(JSON.stringify({ id: request.id, value })),
    (problem) =>
      console.log(JSON.stringify({ id: request.id, error: String(problem?.message ?? problem) })),
  );
}
await end();
