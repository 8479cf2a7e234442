/// <reference types="node" />

/** A real relay, started by tests/web/relay.py, and devices that speak to it. */

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Connection, type Owner } from "../../src/client/connection";
import { HttpApi } from "../../src/client/http";
import type { Answered, Signer } from "../../src/client/session";
import { browserNet, type Net } from "../../src/client/transport";
import { activateBytes, toBase64 } from "../../src/wire/api";
import { type Bytes, randomBytes } from "../../src/wire/bytes";
import * as certificates from "../../src/wire/certificate";
import type { ChappeError } from "../../src/wire/errors";
import type { Typed } from "../../src/wire/frames";
import { PYTHON, ROOT } from "../wire/cases";

/** Why there can be no relay; in CI that is a failure. */
export function noRelay(): boolean {
  const missing = !existsSync(PYTHON);
  if (missing && process.env.CI === "true")
    throw new Error("these tests must run in CI: no Python");
  return missing;
}

export class Relay {
  private readonly waiting: ((line: string) => void)[] = [];

  private constructor(
    readonly folder: string,
    private readonly child: ChildProcess,
  ) {
    void this.listen();
  }

  static async start(): Promise<Relay> {
    const folder = mkdtempSync(join(tmpdir(), "chappe-relay-"));
    const child = spawn(PYTHON, ["-m", "tests.web.relay", folder], {
      cwd: ROOT,
      stdio: ["pipe", "pipe", "inherit"],
    });
    return new Relay(folder, child);
  }

  private async listen(): Promise<void> {
    const input = this.child.stdout as NodeJS.ReadableStream;
    for await (const line of createInterface({ input })) this.waiting.shift()?.(line);
  }

  /** What the driver answers; throws the code of its error. */
  async do<T>(command: string, given: object = {}): Promise<T> {
    const answer = new Promise<string>((resolve) => this.waiting.push(resolve));
    this.child.stdin?.write(`${JSON.stringify({ do: command, ...given })}\n`);
    const found = JSON.parse(await answer) as { value: T; error?: string };
    if (found.error !== undefined) throw new Error(found.error);
    return found.value;
  }

  async net(): Promise<Net> {
    return browserNet(await this.do<string>("origin"));
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.child.once("exit", resolve));
    this.child.stdin?.end();
    await ended;
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A device of a new line: its keys, and no MLS anywhere. */
export class Device implements Signer {
  readonly identity = randomBytes(32);
  readonly signer = randomBytes(32);
  readonly server = "localhost";
  readonly certificate: certificates.DeviceCertificate;

  constructor(name: string) {
    this.certificate = certificates.issue(this.identity, {
      lineId: randomBytes(16),
      address: `${name}-${toBase64(randomBytes(6)).toLowerCase().replace(/^[-_]/, "x")}@localhost`,
      deviceId: randomBytes(16),
      signatureKey: certificates.publicKey(this.signer),
      fleetKey: new Uint8Array(),
      issuedAt: Math.floor(Date.now() / 1000),
    });
  }

  get deviceId(): Bytes {
    return this.certificate.deviceId;
  }

  sign(data: Uint8Array): Bytes {
    return certificates.sign(this.signer, data);
  }

  async activate(net: Net, code: string): Promise<void> {
    const raw = certificates.toBytes(this.certificate);
    const proof = toBase64(this.sign(activateBytes(this.server, code, raw)));
    await new HttpApi(net).activate({ code, certificate: toBase64(raw), proof });
  }
}

/** An owner that keeps what it is told, and waits for it. */
export class Recorder implements Owner {
  welcomes: Typed<"welcome">[] = [];
  envelopes: Typed<"deliver">[] = [];
  answers: Answered[] = [];
  orders: Typed<"order">[] = [];
  postings: Typed<"posted">[] = [];
  terms: Typed<"term">[] = [];
  reasons: ChappeError[] = [];
  /** May do something while it takes envelopes. */
  taking: (envelopes: Typed<"deliver">[]) => Promise<void> = async () => undefined;

  opened(welcome: Typed<"welcome">): void {
    this.welcomes.push(welcome);
  }

  async delivered(envelopes: Typed<"deliver">[]): Promise<void> {
    await this.taking(envelopes);
    this.envelopes.push(...envelopes);
  }

  answered(answers: Answered[]): void {
    this.answers.push(...answers);
  }

  ordered(order: Typed<"order">): void {
    this.orders.push(order);
  }

  posted(posted: Typed<"posted">): void {
    this.postings.push(posted);
  }

  termed(term: Typed<"term">): void {
    this.terms.push(term);
  }

  lost(reason: ChappeError): void {
    this.reasons.push(reason);
  }
}

/** Wait until something holds. */
export async function until(holds: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(`took too long: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** A device that is online. */
export async function online(
  net: Net,
  device: Device,
): Promise<{ connection: Connection; owner: Recorder; running: Promise<void> }> {
  const owner = new Recorder();
  const connection = new Connection(net, device, owner);
  const running = connection.run();
  await until(() => owner.welcomes.length > 0, "the welcome");
  return { connection, owner, running };
}
