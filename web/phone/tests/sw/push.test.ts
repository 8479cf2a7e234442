/** A push in the service worker, with pages that answer, answer late, or not at all. */
import { beforeEach, expect, test } from "vitest";
import { type Heard, knock, openPage, type Said } from "../../src/sw/push.ts";
import { Board } from "../ui/board.ts";

const PATIENCE = { here: 60, done: 120 };
const CHROME = "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36";
const SAFARI = "Mozilla/5.0 (iPhone) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0";
const GENERAL = "Chappe: New message";

type Answer = (say: (heard: Heard) => void) => void;

let board: Board;
let pages: { said: Said[]; focused: number }[];
let opened: string[];
let answers: Answer[];
let agent: { language: string; userAgent: string };

beforeEach(() => {
  board = new Board();
  [pages, opened, answers] = [[], [], []];
  agent = { language: "en-GB", userAgent: CHROME };
});

function scope(): ServiceWorkerGlobalScope {
  const clients = answers.map((answer) => {
    const page = { said: [] as Said[], focused: 0 };
    pages.push(page);
    return {
      postMessage: (said: Said, [port]: MessagePort[] = []) => {
        page.said.push(said);
        if (port) answer((heard) => port.postMessage(heard));
      },
      focus: async () => {
        page.focused += 1;
      },
    };
  });
  return {
    clients: {
      matchAll: async () => clients,
      openWindow: async (url: string) => opened.push(url),
    },
    registration: board,
    navigator: agent,
  } as unknown as ServiceWorkerGlobalScope;
}

const locked: Answer = (say) => say({ type: "here", open: false, seen: false });
const erased: Answer = (say) => say({ type: "here", open: false, seen: false, erased: true });
const mute: Answer = () => {};

function open(seen: boolean, read: boolean, raise: string[] = []): Answer {
  return (say) => {
    say({ type: "here", open: true, seen });
    for (const body of raise) board.showNotification("ben", { tag: `chappe-${body}`, body });
    say({ type: "done", open: true, seen, read, notices: raise.length });
  };
}

test.each<[string, Answer[], string[]]>([
  ["no page is there", [], [GENERAL]],
  ["the phone is locked", [locked], [GENERAL]],
  ["the phone is erased", [erased], []],
  ["the phone is erased, and another page frozen", [mute, erased], []],
  ["the page is frozen", [mute], [GENERAL]],
  ["one is frozen and one locked", [mute, locked], [GENERAL]],
  ["an open page shows what came", [open(false, true, ["Hello"])], ["ben: Hello"]],
  ["of two, the open one shows what came", [locked, open(false, true, ["Hi"])], ["ben: Hi"]],
  ["only muted conversations have something new", [open(false, true)], []],
  ["somebody looks at the page", [open(true, true)], []],
  ["somebody looks at the page, without a network", [open(true, false)], []],
  ["the page cannot fetch", [open(false, false)], [GENERAL]],
  ["the page has fetched a part in time", [open(false, false, ["Hello"])], ["ben: Hello"]],
  [
    "the page begins, and does not end",
    [(say) => say({ type: "here", open: true, seen: false })],
    [GENERAL],
  ],
  [
    "the phone locks meanwhile",
    [
      (say) => {
        say({ type: "here", open: true, seen: false });
        say({ type: "done", open: false, seen: false, read: false, notices: 0 });
      },
    ],
    [GENERAL],
  ],
  [
    "the page's notices did not come to stand",
    [
      (say) => {
        say({ type: "here", open: true, seen: false });
        say({ type: "done", open: true, seen: false, read: false, notices: 0 });
      },
    ],
    [GENERAL],
  ],
  [
    "somebody begins to look meanwhile",
    [
      (say) => {
        say({ type: "here", open: true, seen: false });
        say({ type: "done", open: true, seen: true, read: false, notices: 0 });
      },
    ],
    [],
  ],
])("when %s", async (_what, given, expected) => {
  answers = given;
  await knock(scope(), PATIENCE);
  expect(board.lines).toEqual(expected);
});

test("two pushes make one notice, in the language of the browser, without a second sound", async () => {
  agent.language = "fr-FR";
  await knock(scope(), PATIENCE);
  await knock(scope(), PATIENCE);
  expect(board.lines).toEqual(["Chappe: Nouveau message"]);
  expect(board.sounds).toBe(1);
});

test("names of a phone that is locked or closed go", async () => {
  await board.showNotification("ben", { tag: "chappe-1", body: "Hello" });
  answers = [locked];
  await knock(scope(), PATIENCE);
  expect(board.lines).toEqual([GENERAL]);
});

test("Safari, which counts pushes without a notice, gets one that goes at once", async () => {
  agent.userAgent = SAFARI;
  answers = [open(true, true)];
  let shown = 0;
  const show = board.showNotification.bind(board);
  board.showNotification = async (...given) => {
    shown += 1;
    await show(...given);
  };
  await knock(scope(), PATIENCE);
  expect([shown, board.lines, board.sounds]).toEqual([1, [], 0]);
});

test("a tap brings the page to the front and says of which notice; without a page, one opens", async () => {
  await openPage(scope(), "chappe-1");
  expect(opened).toEqual(["/"]);
  answers = [mute];
  await openPage(scope(), "chappe-1");
  expect(pages.map((page) => page.focused)).toEqual([1]);
  expect(pages[0]?.said).toEqual([{ type: "opened", tag: "chappe-1" }]);
});
