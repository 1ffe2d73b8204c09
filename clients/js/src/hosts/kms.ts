import { ClientError } from "../errors/client.js";
import { KmsError, type KmsRefusal } from "../errors/kms.js";
import { isJson } from "../json.js";
import { Answer } from "./answer.js";
import { requestJson } from "./http.js";
import { retry } from "./retry.js";
import type { HostSettings } from "./settings.js";

const UNAVAILABLE = 503;

/** Settings of the functions that call the KMS. */
export interface KmsSettings extends HostSettings {
  /** The KMS's HTTP API, without a path. */
  kmsUrl: string;
}

/**
 * Posts to a route of the KMS, or GETs it without a body. Every route used here may be repeated.
 *
 * @throws {@link KmsError} if the KMS refuses; {@link ClientError} without a valid answer.
 */
export async function requestKms(settings: KmsSettings, route: string, body?: unknown): Promise<Answer> {
  const url = `${settings.kmsUrl.replace(/\/+$/, "")}${route}`;
  const attempt = async () => {
    const answer = await requestJson("KMS", url, body, settings);
    if (isRefusal(answer.body["error"])) throw new KmsError(answer.status, answer.body["error"], answer.retryAfter);
    if (answer.status < 400) return Answer.of("KMS", answer.body);
    throw new ClientError("answer_invalid", `the KMS answered HTTP status ${answer.status} without a reason`);
  };
  return retry(attempt, isOutage, settings);
}

function isRefusal(error: unknown): error is KmsRefusal {
  return isJson(error) && typeof error["code"] === "string";
}

function isOutage(error: unknown): boolean {
  if (error instanceof KmsError) return error.retryable && error.status === UNAVAILABLE;
  return error instanceof ClientError && error.retryable;
}
