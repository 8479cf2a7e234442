/**
 * What the phone reaches the world by: the browser's fetch and WebSocket, its clock, its chance. They come in here
 * and nowhere else, so that a test gives its own.
 *
 * A browser does not let a page pin a certificate, neither for fetch nor for a WebSocket: it trusts whom its
 * system trusts. So the pin of a link is checked by clients that can, and the phone is served by the very relay
 * that it speaks to; what it says is sealed end to end in any case.
 */

import { SUBPROTOCOL } from "../wire/frames";

export interface Net {
  /** Of the relay: `https://host[:port]`, without a path. */
  readonly origin: string;
  fetch(url: string, request: RequestInit): Promise<Response>;
  openSocket(url: string, protocol: string): WebSocket;
  /** Milliseconds that only grow. */
  now(): number;
  /** Ends early, without an error, when `signal` is aborted. */
  sleep(milliseconds: number, signal?: AbortSignal): Promise<void>;
  /** From 0 to 1: for jitter, not for secrets. */
  random(): number;
}

/** The browser's own; by default for the relay that served this page. */
export function browserNet(origin: string = globalThis.location.origin): Net {
  return {
    origin: new URL(origin).origin,
    fetch: (url, request) => globalThis.fetch(url, request),
    openSocket: (url, protocol) => new WebSocket(url, protocol),
    now: () => performance.now(),
    sleep,
    random: () => Math.random(),
  };
}

/** Where the socket is, by its subprotocol `chappe.v1`. */
export function openSocket(net: Net): WebSocket {
  const socket = net.openSocket(`${net.origin.replace(/^http/, "ws")}/v1/socket`, SUBPROTOCOL);
  socket.binaryType = "arraybuffer";
  return socket;
}

export function sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) {
      resolve();
      return;
    }
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    signal?.addEventListener("abort", done);
  });
}
