/** Requests to the broker that served this page, and what can go wrong with them. */

const TIMEOUT_MS = 30_000;

/** The broker refused, in the words of its problem document. */
export class Refusal extends Error {
  readonly status: number;
  readonly code: string;
  readonly field: string | null;

  constructor(status: number, code: string, detail: string, field: string | null) {
    super(detail);
    this.status = status;
    this.code = code;
    this.field = field;
  }
}

/** No answer came: the broker is gone, or the network in between. */
export class Unreachable extends Error {
  constructor() {
    super("The broker does not answer.");
  }
}

/** Part of a path: names may hold anything. */
export function segment(name: string): string {
  return encodeURIComponent(name);
}

/** `?name=value&...` of the parameters that are there. */
export function query(parameters: Record<string, string | number | boolean | null | undefined>): string {
  const given = Object.entries(parameters).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return given.length ? `?${new URLSearchParams(given.map(([name, value]) => [name, String(value)]))}` : "";
}

export interface Request {
  method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

/** The answer's JSON. Throws Refusal, Unreachable, or the signal's AbortError. */
export async function call<T>(path: string, request: Request = {}): Promise<T> {
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  const signal = request.signal ? AbortSignal.any([request.signal, timeout]) : timeout;
  const response = await open(path, { ...request, signal });
  try {
    return (response.status === 204 ? undefined : await response.json()) as T;
  } catch (error) {
    if (request.signal?.aborted) throw error;
    throw new Unreachable();
  }
}

/** The answer, its body still to be read. Throws as `call` does. */
export async function open(path: string, request: Request): Promise<Response> {
  const init: RequestInit = {
    method: request.method ?? "GET",
    headers: { Accept: "application/json", ...request.headers },
    cache: "no-store",
  };
  if (request.signal) init.signal = request.signal;
  if (request.body !== undefined) {
    init.body = JSON.stringify(request.body);
    init.headers = { ...init.headers, "Content-Type": "application/json" };
  }
  let response: Response;
  try {
    response = await fetch(path, init);
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Unreachable();
  }
  if (!response.ok) throw await refusal(response);
  return response;
}

async function refusal(response: Response): Promise<Refusal> {
  const problem = (await response.json().catch(() => ({}))) as Partial<Record<string, string>>;
  const detail = problem["detail"] ?? problem["title"] ?? `The broker answered ${response.status} without saying why.`;
  return new Refusal(response.status, problem["code"] ?? "", sentence(detail), problem["field"] ?? null);
}

/** The broker's words begin small, since its other protocols put a code before them. */
function sentence(words: string): string {
  const capital = words.charAt(0).toUpperCase() + words.slice(1);
  return /[.!?]$/.test(capital) ? capital : `${capital}.`;
}

/** Whether the error only says that the request was given up. */
export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}

/** The error as a sentence for a person. */
export function words(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
