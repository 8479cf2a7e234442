/** The little of Node that the drivers use; the phone itself knows nothing of Node. */

declare module "node:readline" {
  export function createInterface(options: { input: unknown }): AsyncIterable<string>;
}

declare const process: {
  env: Record<string, string | undefined>;
  stdin: unknown;
  stdout: { write(text: string): void };
  exit(code: number): never;
};
