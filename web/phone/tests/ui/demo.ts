/** A phone in memory, with the face of the real one: for tests of the pages, and their pictures. */
import type {
  Attachment,
  Bounds,
  Contact,
  Conversation,
  DeviceInfo,
  Erased,
  Event,
  Hit,
  Me,
  Message,
  OwnOrderKind,
  PhoneFace,
  PinProblem,
  RecoveryRequest,
  Settings,
  Stage,
  Term,
  Transparency,
} from "../../src/client/face.ts";
import type { Detail } from "../../src/wire/errors.ts";
import * as data from "./data.ts";

const PIN = "284917";

function failure(code: string, detail: Detail = {}): Error {
  return Object.assign(new Error(code), { code, detail });
}

const DAY = 86_400;

function termOf(stage: Term["stage"], ends: number): Term {
  const midnight = ends - (ends % DAY);
  return {
    stage,
    ends: midnight,
    suspends: midnight + 14 * DAY,
    closes: midnight + 90 * DAY,
    forgotten: midnight + 120 * DAY,
  };
}

const later = (ms: number) => new Promise((done) => setTimeout(done, ms));

export class Demo implements PhoneFace {
  #stage: Stage;
  #listeners = new Set<(event: Event) => void>();
  #conversations = new Map(data.conversations().map((one) => [one.id, one]));
  #messages = data.messages();
  #orders = [data.order("erase", "5e".repeat(16))];
  #contacts = new Map(data.contacts().map((one) => [one.address, one]));
  #tries = 10;
  #term: Term | null = null;
  #settings: Settings = {
    readReceipts: true,
    typing: true,
    idleSeconds: 900,
    lockOnHide: false,
    offlineHours: 8,
    notifications: true,
    notices: "name",
  };

  constructor(stage: Stage) {
    this.#stage = stage;
    for (const id of this.#conversations.keys()) this.#renew(id);
  }

  /** For tests: as if it came from the worker. */
  tell(event: Event): void {
    if (event.type === "term") this.#term = event.term;
    if (event.type === "message") this.#put(event.message);
    else for (const listener of this.#listeners) listener(event);
  }

  /** For tests: somebody else writes. */
  receive(conversation: string, from: string, given: Partial<Message>): void {
    this.#put(data.message(conversation, from, Math.floor(Date.now() / 1000), given));
    const now = this.#of(conversation);
    this.#change(conversation, { unread: now.unread + 1 });
  }

  async stage() {
    return this.#stage;
  }
  async erased(): Promise<Erased | null> {
    return {
      at: data.NOW - 7200,
      reason: "Telephone lost on a train",
      order: "5f0c77e2a91b4d06",
      receiptDelivered: true,
    };
  }
  async me(): Promise<Me> {
    return {
      address: data.ME,
      line: "0".repeat(32),
      device: "1".repeat(32),
      relay: "relay.example:443",
      hasPin: true,
    };
  }
  async listen(listener: (event: Event) => void) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async activate(_link: string, name: string, _pin: string, tell: (stage: string) => void) {
    if (name === "taken") throw failure("address.taken");
    for (const stage of ["keys", "pin", "relay"]) {
      tell(stage);
      await later(30);
    }
    this.#enter("open");
    return { ...(await this.me()), address: `${name}@relay.example` };
  }
  async receiveLink(_pin: string, show: (link: string) => void, tell: (stage: string) => void) {
    show(`chappe://relay.example/l/${"A".repeat(22)}/${"B".repeat(43)}`);
    tell("wait");
    await later(60_000);
    this.#enter("open");
    return this.me();
  }
  #recovery: RecoveryRequest | null = null;
  /** What the relay says, one after another, before it lets the phone in. */
  readonly refusals = ["order.unknown", "order.two_officers", "order.stale"];
  async askRecovery(link: string): Promise<RecoveryRequest> {
    if (!link.startsWith("chappe://")) throw failure("link.malformed");
    this.#recovery = data.RECOVERY;
    return this.#recovery;
  }
  async recovery(): Promise<RecoveryRequest | null> {
    return this.#recovery;
  }
  async enterRecovered(): Promise<void> {
    const refusal = this.refusals.shift();
    if (refusal !== undefined) throw failure(refusal);
  }
  async recover(_pin: string, tell: (stage: string) => void): Promise<Me> {
    tell("pin");
    await later(30);
    this.#enter("open");
    return this.me();
  }
  async giveUpRecovery(): Promise<void> {
    this.#recovery = null;
  }
  #transparency = data.TRANSPARENCY;
  async transparency(): Promise<Transparency> {
    return this.#transparency;
  }
  async readLog(): Promise<Transparency> {
    return this.#transparency;
  }
  async startOver(): Promise<Transparency> {
    return this.#transparency;
  }
  async logEvidence(): Promise<string> {
    return "{}\n";
  }
  async settleAlarm(number: number): Promise<void> {
    const alarms = this.#transparency.alarms.map((one) =>
      one.number === number ? { ...one, settled: true } : one,
    );
    this.#transparency = { ...this.#transparency, alarms };
    this.tell({ type: "transparency", transparency: this.#transparency });
  }
  async acceptUnlogged(): Promise<void> {}
  async runs(): Promise<void> {}

  async term(): Promise<Term | null> {
    return this.#term;
  }
  async renew(code: string): Promise<Term> {
    if (code.length < 16) throw failure("code.malformed");
    const ends = data.NOW + 180 * 86_400;
    this.tell({ type: "term", term: termOf("active", ends) });
    return termOf("active", ends);
  }
  async giveLink(link: string) {
    if (!link.startsWith("chappe://")) throw failure("link.malformed");
  }
  async organisationOf() {
    return { name: "Press", pinLength: 6 };
  }
  async judgePin(pin: string, _address: string, least = 6): Promise<PinProblem | null> {
    if (pin.length < least) return { reason: "short", least };
    if (/^(\d)\1+$/.test(pin)) return { reason: "same", least };
    return "0123456789".includes(pin) ? { reason: "run", least } : null;
  }
  async warm() {}
  async expect() {}
  async unlock(pin: string, tell: (stage: string) => void) {
    tell("pin");
    await later(30);
    if (pin !== PIN) {
      this.#tries -= 1;
      throw failure("vault.wrong_pin", { tries: this.#tries });
    }
    this.#enter("open");
  }
  async lock() {
    this.#enter("locked");
  }
  async changePin(old: string) {
    if (old !== PIN) throw failure("vault.wrong_pin");
  }
  async touch() {}
  async network() {}
  async visible() {}
  async knocked() {
    return this.#stage === "open" ? ("read" as const) : ("locked" as const);
  }

  async conversations() {
    return [...this.#conversations.values()];
  }
  async conversation(id: string) {
    return this.#of(id);
  }
  async messages(id: string, before: number, count: number) {
    const all = this.#messages.filter(
      (one) => one.conversation === id && (before === 0 || one.seq < before),
    );
    return all.slice(-count);
  }
  async search(words: string, count: number): Promise<Hit[]> {
    return this.#messages
      .filter((one) => one.text.toLowerCase().includes(words))
      .slice(-count)
      .reverse()
      .map((message) => ({ message, conversation: this.#of(message.conversation) }));
  }
  async conversationWith(address: string) {
    await this.contact(address);
    const there = [...this.#conversations.values()].find(
      (one) => one.kind === "direct" && one.name === address,
    );
    return there ?? this.#make({ name: address, members: [data.ME, address] });
  }
  async createGroup(
    name: string,
    addresses: string[],
    told: (stage: "people" | "keys" | "commit", done: number, all: number) => void = () => {},
  ) {
    told("people", addresses.length, addresses.length);
    return this.#make({ kind: "group", name, members: [data.ME, ...addresses] });
  }
  async add(id: string, address: string) {
    await this.contact(address);
    this.#change(id, { members: [...this.#of(id).members, address] });
    this.#note(id, "added", [address]);
  }
  async remove(id: string, address: string) {
    this.#change(id, { members: this.#of(id).members.filter((one) => one !== address) });
    this.#note(id, "removed", [address]);
  }
  async leave(id: string) {
    this.#change(id, { state: "left" });
  }
  async rename(id: string, name: string) {
    this.#change(id, { name });
    this.#note(id, "renamed", [], name);
  }
  async setTimer(id: string, seconds: number) {
    this.#change(id, { timer: seconds });
    this.#note(id, "timer", [], String(seconds));
  }
  async setMuted(id: string, muted: boolean) {
    this.#change(id, { muted });
  }
  async setDraft(id: string, draft: string) {
    this.#change(id, { draft });
  }
  async markRead(id: string) {
    this.#change(id, { unread: 0 });
  }
  async typing() {}

  async sendText(id: string, text: string, replyTo: string | null) {
    const sent = data.message(id, data.ME, Math.floor(Date.now() / 1000), {
      text,
      replyTo,
      sending: "queued",
    });
    this.#put(sent);
    setTimeout(() => this.#put({ ...sent, sending: "sent" }), 40);
    setTimeout(() => this.#put({ ...sent, sending: "delivered" }), 80);
    return sent.id;
  }
  async sendFile(id: string, file: Blob, name: string, meta: Partial<Attachment>) {
    const kind = meta.waveform ? "voice" : meta.width ? "photo" : "file";
    const attachment = { ...data.NOTHING, name, size: file.size, type: file.type, ...meta };
    const sent = data.message(id, data.ME, Math.floor(Date.now() / 1000), {
      kind,
      attachment,
      sending: "sent",
    });
    this.#files.set(sent.id, file);
    this.#put(sent);
    return sent.id;
  }
  #files = new Map<string, Blob>();
  async edit(_id: string, message: string, text: string) {
    this.#put({ ...this.#find(message), text, edited: true });
  }
  async react(_id: string, message: string, emoji: string) {
    const now = this.#find(message);
    const others = now.reactions
      .map((one) => ({ ...one, from: one.from.filter((from) => from !== data.ME) }))
      .filter((one) => one.from.length > 0);
    const same = others.find((one) => one.emoji === emoji);
    if (same) same.from.push(data.ME);
    else if (emoji) others.push({ emoji, from: [data.ME] });
    this.#put({ ...now, reactions: others });
  }
  async deleteForAll(_id: string, message: string) {
    this.#put({
      ...this.#find(message),
      kind: "deleted",
      text: "",
      attachment: null,
      reactions: [],
    });
  }
  async deleteHere(id: string, message: string) {
    this.#messages = this.#messages.filter((one) => one.id !== message);
    this.tell({ type: "messageGone", conversation: id, id: message });
    this.#renew(id);
  }
  async retry(_id: string, message: string) {
    this.#put({ ...this.#find(message), sending: "sent", failure: "" });
  }
  async cancelFile() {}
  async reportView(message: string) {
    const { from, text, at, conversation, mine } = this.#find(message);
    const { kind, name } = await this.conversation(conversation);
    const where = kind === "group" ? name : "";
    const said = [{ text, file: "", edited: false, at }];
    return mine ? null : { from, conversation: where, said, reporter: (await this.me()).address };
  }
  async makeReport(message: string) {
    return new File(["sealed"], `${message.slice(0, 8)}.chappe-report`);
  }
  async readFile(id: string, message: string) {
    return (await this.openFile(id, message)).stream();
  }
  async openFile(_id: string, message: string) {
    const kept = this.#files.get(message);
    if (kept) return kept;
    const found = this.#find(message);
    if (found.kind === "photo") return view();
    return new Blob([new Uint8Array(1000)], { type: found.attachment?.type ?? "" });
  }

  async contacts() {
    return [...this.#contacts.values()];
  }
  async contact(address: string): Promise<Contact> {
    if (address.startsWith("nobody")) throw failure("address.unknown");
    const there = this.#contacts.get(address) ?? {
      address,
      verified: false,
      changed: false,
      identity: address,
    };
    this.#contacts.set(address, there);
    return there;
  }
  async safetyNumber(address: string) {
    const { identity } = await this.contact(address);
    const number = "05822 91744 30618 77253 12094 86631 40987 55120 68802 31975 09463 72518";
    return { number, identity };
  }
  async markVerified(address: string, identity: string) {
    if (identity !== "") await this.acceptIdentity(address, identity);
    const { identity: now } = await this.contact(address);
    this.#contact({ address, verified: identity !== "", changed: false, identity: now });
  }
  async acceptIdentity(address: string, identity: string) {
    if ((await this.contact(address)).identity !== identity) throw failure("identity.changed");
    this.#contact({ address, verified: false, changed: false, identity });
  }
  async roster(id: string): Promise<DeviceInfo[]> {
    return this.#of(id).members.flatMap(data.devicesOf);
  }
  async devices() {
    return data.devicesOf(data.ME);
  }

  async bounds(): Promise<Bounds | null> {
    return null;
  }
  async orderDevice(kind: OwnOrderKind, device: string, reason: string) {
    this.#orders.unshift({ ...data.order(kind, device), reason });
    return "0".repeat(32);
  }
  async ownOrders() {
    return this.#orders;
  }
  async settings() {
    return this.#settings;
  }
  async saveSettings(settings: Settings) {
    this.#settings = settings;
  }
  async persisted() {
    return true;
  }
  async subscribePush() {}
  async pushKey() {
    return "";
  }

  #enter(stage: Stage): void {
    this.#stage = stage;
    this.tell({ type: "stage", stage });
  }
  #of(id: string): Conversation {
    const found = this.#conversations.get(id);
    if (!found) throw failure("conversation.unknown");
    return found;
  }
  #find(id: string): Message {
    const found = this.#messages.find((one) => one.id === id);
    if (!found) throw failure("message.unknown");
    return found;
  }
  #make(given: Partial<Conversation>): Conversation {
    const id = `n${this.#conversations.size}`;
    const made = data.conversation(id, { at: Math.floor(Date.now() / 1000), ...given });
    this.#conversations.set(id, made);
    this.tell({ type: "conversation", conversation: made });
    return made;
  }
  #change(id: string, given: Partial<Conversation>): void {
    const conversation = { ...this.#of(id), ...given };
    this.#conversations.set(id, conversation);
    this.tell({ type: "conversation", conversation });
  }
  #contact(contact: Contact): void {
    this.#contacts.set(contact.address, contact);
    this.tell({ type: "contact", contact });
  }
  #note(id: string, what: string, who: string[], value = ""): void {
    this.#put(
      data.message(id, data.ME, Math.floor(Date.now() / 1000), {
        kind: "notice",
        notice: { what, who, value },
      }),
    );
  }
  #put(message: Message): void {
    const others = this.#messages.filter((one) => one.id !== message.id);
    this.#messages = [...others, message].sort((a, b) => a.seq - b.seq);
    for (const listener of this.#listeners) listener({ type: "message", message });
    this.#renew(message.conversation);
  }
  /** The list's line of a conversation follows its last message. */
  #renew(id: string): void {
    const last = this.#messages.filter((one) => one.conversation === id).at(-1) ?? null;
    this.#change(id, { last, at: last?.at ?? this.#of(id).at });
  }
}

/** A photo nobody took: hills at dusk. */
async function view(): Promise<Blob> {
  const canvas = new OffscreenCanvas(1600, 1060);
  const context = canvas.getContext("2d");
  if (!context) throw failure("file.unreadable");
  const sky = context.createLinearGradient(0, 0, 0, 760);
  sky.addColorStop(0, "#1d3b5c");
  sky.addColorStop(0.55, "#c7785a");
  sky.addColorStop(1, "#f4c88a");
  context.fillStyle = sky;
  context.fillRect(0, 0, 1600, 1060);
  context.fillStyle = "#fbe3b0";
  context.beginPath();
  context.arc(1120, 610, 74, 0, 7);
  context.fill();
  for (const [height, colour, wave] of [
    [640, "#6d5568", 210],
    [760, "#42405a", 150],
    [890, "#22283f", 260],
  ] as const) {
    context.fillStyle = colour;
    context.beginPath();
    context.moveTo(0, 1060);
    for (let x = 0; x <= 1600; x += 10)
      context.lineTo(x, height + 70 * Math.sin(x / wave) + 28 * Math.sin(x / 61 + wave));
    context.lineTo(1600, 1060);
    context.fill();
  }
  return canvas.convertToBlob({ type: "image/jpeg", quality: 0.8 });
}
