/** This line in the transparency log: a device there that the line did not let in itself is an alarm. */

import { type Bytes, toHex } from "../wire/bytes";
import { deviceHash, lineCommitment } from "../wire/logEntries";
import type { Core, Tx } from "./core";
import type { Alarms } from "./logAlarms";
import type { Doubts } from "./logDoubts";
import type { Ledger } from "./logLedger";
import type { LoggedDevice } from "./logState";

const KNOWN = "log.own";
const ENDORSED = "log.endorsed";

/**
 * A device that another one of the line let in is that one's to judge: it does the same. What this device let in
 * it remembers. Hashes are hex.
 */
export class OwnLine {
  readonly device: string;
  #known = new Set<string>();
  #endorsed = new Set<string>();

  constructor(
    private readonly core: Core,
    private readonly alarms: Alarms,
    private readonly doubts: Doubts,
  ) {
    this.device = toHex(deviceHash(core.me.deviceId));
  }

  async load(): Promise<void> {
    this.#known = new Set(await this.core.meta<string[]>(KNOWN));
    this.#endorsed = new Set(await this.core.meta<string[]>(ENDORSED));
  }

  get known(): ReadonlySet<string> {
    return this.#known;
  }

  /** This device lets another one in. Kept before that one hears of it. */
  async endorsed(device: Bytes): Promise<void> {
    const next = new Set([...this.#endorsed, toHex(deviceHash(device))]);
    await this.core.change((tx) => this.core.setMeta(tx, ENDORSED, [...next]));
    this.#endorsed = next;
  }

  /** What stands for this line in the log; null before the relay has named its salt. */
  #commitment(): string | null {
    const { address, line, certificate } = this.core.me;
    const salt = this.doubts.saltOf(address, line);
    return salt ? toHex(lineCommitment(salt, certificate.lineId, address)) : null;
  }

  /** As the log shows them, by hash. */
  devices(ledger: Ledger): [string, LoggedDevice][] {
    const line = this.#commitment();
    return line === null ? [] : ledger.state.devicesOf(line);
  }

  async look(tx: Tx, ledger: Ledger): Promise<void> {
    const line = this.#commitment();
    if (line === null) return;
    const first = this.#known.size === 0;
    const next = new Set(this.#known);
    const devices = new Map(ledger.state.devicesOf(line));
    for (const [key, device] of devices) {
      if (next.has(key)) continue;
      const why = this.#strange(key, device, first);
      if (why === null) next.add(key);
      else await this.#alarm(tx, ledger, key, why);
    }
    // A phone that officers let in may read the log before the entry by which it came.
    const expected = new Set([this.device, ...next, ...devices.keys()]);
    for (const one of ledger.state.announced)
      if (one.line === line && !expected.has(one.device))
        await this.#alarm(
          tx,
          ledger,
          one.device,
          "officers have announced one more device of this line",
        );
    if (next.size === this.#known.size) return;
    this.core.setMeta(tx, KNOWN, [...next]);
    tx.after(() => {
      this.#known = next;
    });
  }

  /** Why nobody here knows of a device. What was there when this device came is accepted: the others have looked. */
  #strange(key: string, device: LoggedDevice, first: boolean): string | null {
    if (key === this.device) return null;
    if (device.by === this.device)
      return this.#endorsed.has(key)
        ? null
        : "a device was let in with this device's key, and not by this device";
    // One that officers announced and that never came: the announcement was the alarm.
    const withdrawn = device.order !== "" && device.revokedAt === device.at;
    return device.by !== "" || first || withdrawn
      ? null
      : "a device of this line that none of its devices has let in";
  }

  async #alarm(tx: Tx, ledger: Ledger, device: string, said: string): Promise<void> {
    const ours = new Uint8Array(ledger.held?.note ?? []);
    const { address } = this.core.me;
    await this.alarms.raise(tx, {
      code: "log.own_line",
      about: device,
      said,
      ours,
      address,
      device,
    });
  }
}
