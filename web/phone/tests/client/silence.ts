/// <reference types="node" />

/** A way to the relay that can go dead without saying so, as a phone's network does. */

import { connect, createServer, type Server, type Socket } from "node:net";

export class Way {
  private readonly dead = new Set<Socket>();
  private open: Socket[] = [];

  private constructor(
    private readonly server: Server,
    readonly origin: string,
  ) {}

  /** To `http://host:port`. */
  static async to(origin: string): Promise<Way> {
    const { hostname, port } = new URL(origin);
    const server = createServer();
    await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
    const way = new Way(server, `http://127.0.0.1:${(server.address() as { port: number }).port}`);
    server.on("connection", (near) => way.join(near, connect(Number(port), hostname)));
    return way;
  }

  /** What is open now stays so, and carries nothing any more. */
  die(): void {
    for (const one of this.open) this.dead.add(one);
  }

  close(): void {
    for (const one of this.open) one.destroy();
    this.server.close();
  }

  private join(near: Socket, far: Socket): void {
    this.open.push(near, far);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.on("data", (data) => {
        if (!this.dead.has(from)) to.write(data);
      });
      from.on("close", () => {
        if (!this.dead.has(from)) to.destroy();
      });
      from.on("error", () => to.destroy());
    }
  }
}
