import { ClientError } from "../errors/client.js";
import { isJson, type Json } from "../json.js";
import type { HostSettings } from "./settings.js";

const DEFAULT_TIMEOUT = 30_000;

/** An answer whose body is a JSON object. */
export interface JsonAnswer {
  status: number;
  body: Json;
  /** Seconds, of the header `Retry-After`. */
  retryAfter: number | undefined;
}

/**
 * Sends `body` with POST, or GETs without one, and reads a JSON object.
 *
 * @throws {@link ClientError} `url_invalid`, `headers_invalid`, `unreachable` if no answer came,
 * `answer_invalid` if it is something else than a JSON object. `host` is the name in the error,
 * which never has the URL or a header.
 */
export async function requestJson(
  host: string,
  url: string,
  body: unknown,
  { headers: given, timeout = DEFAULT_TIMEOUT }: HostSettings,
): Promise<JsonAnswer> {
  checkUrl(host, url);
  const headers = checkedHeaders(host, given);
  const init: RequestInit = { headers, signal: AbortSignal.timeout(timeout) };
  if (body !== undefined) {
    init.method = "POST";
    init.body = JSON.stringify(body);
    headers.set("content-type", "application/json");
  }
  const { response, text } = await receive(host, url, init);
  const retryAfter = Number(response.headers.get("retry-after") ?? Number.NaN);
  return {
    status: response.status,
    body: parse(host, response.status, text),
    retryAfter: Number.isFinite(retryAfter) ? retryAfter : undefined,
  };
}

// What `fetch` throws for a URL or a header that it can't use quotes it, with the API key in it.

function checkUrl(host: string, url: string): void {
  if (!isHttp(url)) throw new ClientError("url_invalid", `the URL of the ${host} is not one that can be fetched`);
}

function isHttp(url: string): boolean {
  try {
    const { protocol, username, password } = new URL(url);
    return /^https?:$/.test(protocol) && username === "" && password === "";
  } catch {
    return false;
  }
}

function checkedHeaders(host: string, headers: HostSettings["headers"]): Headers {
  try {
    return new Headers({ ...headers });
  } catch {
    throw new ClientError("headers_invalid", `the headers for the ${host} can't be sent`);
  }
}

async function receive(host: string, url: string, init: RequestInit): Promise<{ response: Response; text: string }> {
  try {
    const response = await fetch(url, init);
    return { response, text: await response.text() };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new ClientError("unreachable", `the ${host} did not answer: ${why}`, error);
  }
}

function parse(host: string, status: number, text: string): Json {
  try {
    const body: unknown = JSON.parse(text);
    if (isJson(body)) return body;
  } catch {
    // Said below, as for any other answer that is no object.
  }
  // A proxy in front of a host that is down answers with a page of its own.
  const isDown = status >= 502 && status <= 504;
  const details = `the ${host} answered HTTP status ${status} without a JSON object`;
  throw new ClientError(isDown ? "unreachable" : "answer_invalid", details);
}
