import { ClientError } from "../errors/client.js";
import type { HostSettings } from "./settings.js";

const DEFAULT_TIMEOUT = 30_000;

/** An answer whose body is a JSON object. */
export interface JsonAnswer {
  status: number;
  body: Record<string, unknown>;
  /** Seconds, of the header `Retry-After`. */
  retryAfter: number | undefined;
}

/**
 * Sends `body` with POST, or GETs without one, and reads a JSON object.
 *
 * @throws {@link ClientError} `url_invalid`, `unreachable` if no answer came, `answer_invalid` if
 * it is something else than a JSON object. `host` is the name in the error, which never has the
 * URL.
 */
export async function requestJson(
  host: string,
  url: string,
  body: unknown,
  { headers, timeout = DEFAULT_TIMEOUT }: HostSettings,
): Promise<JsonAnswer> {
  const init: RequestInit = { headers: { ...headers }, signal: AbortSignal.timeout(timeout) };
  if (body !== undefined) {
    init.method = "POST";
    init.body = JSON.stringify(body);
    init.headers = { ...headers, "content-type": "application/json" };
  }
  const { response, text } = await receive(host, url, init);
  const retryAfter = Number(response.headers.get("retry-after") ?? Number.NaN);
  return {
    status: response.status,
    body: parse(host, response.status, text),
    retryAfter: Number.isFinite(retryAfter) ? retryAfter : undefined,
  };
}

async function receive(host: string, url: string, init: RequestInit): Promise<{ response: Response; text: string }> {
  // The error of `fetch` would quote it, and it may contain an API key.
  if (!URL.canParse(url)) throw new ClientError("url_invalid", `the URL of the ${host} is not an absolute URL`);
  try {
    const response = await fetch(url, init);
    return { response, text: await response.text() };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new ClientError("unreachable", `the ${host} did not answer: ${why}`, error);
  }
}

function parse(host: string, status: number, text: string): Record<string, unknown> {
  try {
    const body: unknown = JSON.parse(text);
    if (typeof body === "object" && body !== null && !Array.isArray(body)) return body as Record<string, unknown>;
  } catch {
    // Said below, as for any other answer that is no object.
  }
  // A proxy in front of a host that is down answers with a page of its own.
  const isDown = status >= 502 && status <= 504;
  const details = `the ${host} answered HTTP status ${status} without a JSON object`;
  throw new ClientError(isDown ? "unreachable" : "answer_invalid", details);
}
