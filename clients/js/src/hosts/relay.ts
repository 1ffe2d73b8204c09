import { ClientError } from "../errors/client.js";
import { RelayError, type RelayRefusal } from "../errors/relay.js";
import { isJson } from "../json.js";
import { Answer } from "./answer.js";
import { requestJson } from "./http.js";
import { retry } from "./retry.js";
import type { HostSettings } from "./settings.js";

/** The codes of outages; the relay uses no others for them. */
const OUTAGES: readonly number[] = [-32603, -32005];

/** A relay's JSON-RPC. */
export interface RelayClient {
  /**
   * Calls a method, and gives its result.
   *
   * @throws {@link RelayError} if the relay refuses; {@link ClientError} without a valid answer.
   */
  request(method: string, params: readonly unknown[]): Promise<Answer>;
}

/** A client of the relay at that URL, which may contain chain id and API key. */
export function relayClient(rpcUrl: string, settings: HostSettings): RelayClient {
  let id = 0;
  return {
    request: (method, params) => {
      id += 1;
      const request = { jsonrpc: "2.0", id, method, params };
      return retry(() => call(rpcUrl, request, settings), isOutage, settings);
    },
  };
}

async function call(rpcUrl: string, request: object, settings: HostSettings): Promise<Answer> {
  const { status, body } = await requestJson("relay", rpcUrl, request, settings);
  if (isRefusal(body["error"])) throw new RelayError(body["error"]);
  if (body["result"] === undefined) {
    throw new ClientError("answer_invalid", `the relay answered HTTP status ${status} with neither result nor error`);
  }
  return Answer.of("relay", body["result"]);
}

function isRefusal(error: unknown): error is RelayRefusal {
  return isJson(error) && typeof error["code"] === "number";
}

function isOutage(error: unknown): boolean {
  if (error instanceof RelayError) return error.retryable && OUTAGES.includes(error.code);
  return error instanceof ClientError && error.retryable;
}
