/** The desk's API as its own page calls it. */

const PREFIX = "/v1/desk";

export interface FieldProblem {
  field: string;
  message: string;
}

/** What the desk answered in place of a result; `network` where nothing was answered. */
export class ApiError extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly fields: FieldProblem[] = [],
  ) {
    super(message);
    this.name = "ApiError";
  }
}

export type Query = Record<string, string | number | boolean | null | undefined>;

interface Options {
  query?: Query;
  body?: unknown;
  /** Sent as it is. */
  raw?: { data: Blob | string; type: string };
  /** What is made must not be made twice: the same key for every try of one press. */
  once?: string;
}

/** What the session does when the desk says that it is over, or too old for what was asked. */
export const hooks = {
  over: (): void => {},
  /** Gives whether the person signed in once more. */
  again: async (): Promise<boolean> => false,
  used: (): void => {},
};

export const get = <T>(path: string, query: Query = {}): Promise<T> =>
  call<T>("GET", path, { query });
export const post = <T>(path: string, body: unknown = {}, options: Options = {}): Promise<T> =>
  call<T>("POST", path, { ...options, body });

export const put = <T>(path: string, body: unknown): Promise<T> => call<T>("PUT", path, { body });
export const patch = <T>(path: string, body: unknown): Promise<T> =>
  call<T>("PATCH", path, { body });

/** A key for `Options.once`. */
export function onceKey(): string {
  return crypto.randomUUID().replaceAll("-", "");
}

/** Throws ApiError. */
export async function call<T>(method: string, path: string, options: Options = {}): Promise<T> {
  const answer = await send(method, path, options);
  if (answer.status === 204) return undefined as T;
  return (await answer.json()) as T;
}

/** The body as a file. Throws ApiError. */
export async function file(path: string, query: Query = {}): Promise<Blob> {
  return (await send("GET", path, { query })).blob();
}

async function send(method: string, path: string, options: Options): Promise<Response> {
  const answer = await fetched(method, path, options);
  if (answer.ok) {
    hooks.used();
    return answer;
  }
  const problem = await failure(answer);
  if (problem.code === "desk.sign_in_again" && (await hooks.again()))
    return send(method, path, options);
  if (problem.code === "desk.signed_out") hooks.over();
  throw problem;
}

async function fetched(method: string, path: string, options: Options): Promise<Response> {
  const headers: Record<string, string> = { "Chappe-Desk": "1" };
  if (options.once) headers["Idempotency-Key"] = options.once;
  let body: Blob | string | null = null;
  if (options.raw) {
    headers["Content-Type"] = options.raw.type;
    body = options.raw.data;
  } else if (options.body !== undefined) {
    headers["Content-Type"] = "application/json";
    body = JSON.stringify(options.body);
  }
  try {
    return await fetch(PREFIX + path + queried(options.query ?? {}), {
      method,
      headers,
      body,
      cache: "no-store",
      credentials: "same-origin",
      redirect: "error",
    });
  } catch {
    throw new ApiError("network", "");
  }
}

export function queried(query: Query): string {
  const asked = new URLSearchParams();
  for (const [name, value] of Object.entries(query))
    if (value !== null && value !== undefined && value !== "") asked.set(name, String(value));
  const text = asked.toString();
  return text === "" ? "" : `?${text}`;
}

async function failure(answer: Response): Promise<ApiError> {
  try {
    const said = (await answer.json()) as { code?: unknown; message?: unknown; fields?: unknown };
    if (typeof said.code === "string" && typeof said.message === "string")
      return new ApiError(said.code, said.message, (said.fields ?? []) as FieldProblem[]);
  } catch {
    // Not of the desk: a proxy's page, or nothing.
  }
  return new ApiError("network", "");
}
