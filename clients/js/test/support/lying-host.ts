// Hosts that lie: they change requests and answers on their way to the real relay or KMS.
import { startHost } from "./host.js";
import { entryPoint, urls } from "./world.js";

type Json = Record<string, unknown>;

const SOMEBODY = "0x5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a";

/** Paymaster fields of another EntryPoint's version. */
const OTHER_FIELDS =
  entryPoint.version === "0.6"
    ? { paymaster: SOMEBODY, paymasterData: "0x", paymasterVerificationGasLimit: "0x1", paymasterPostOpGasLimit: "0x0" }
    : { paymasterAndData: SOMEBODY };

/** The real relay with changes: `change` gets each request, and a function that asks the relay. */
export const lyingRelay = (change: (request: Json, ask: (request: Json) => Promise<Json>) => Promise<Json>) =>
  startHost(({ body }) => change(JSON.parse(body) as Json, (request) => post(urls.rpc, JSON.stringify(request))));

/**
 * A lie: paymaster fields that viem does not hash, with the hash of the operation without any
 * paymaster. The stub's fields too, if it lies about them.
 */
export function withoutPaymaster({ inStub = false } = {}): Parameters<typeof lyingRelay>[0] {
  let bareHash: unknown;
  return async (request, ask) => {
    const [operation, ...others] = request["params"] as [Json, ...unknown[]];
    for (const name of Object.keys(OTHER_FIELDS)) delete operation[name];
    const answer = await ask({ ...request, params: [operation, ...others] });
    const result = answer["result"] as Json;
    if (request["method"] === "pm_getSponsorshipIntent") bareHash = result["userOpHash"];
    if (request["method"] === "pm_getPaymasterStubData" && inStub) return { ...answer, result: OTHER_FIELDS };
    if (request["method"] !== "pm_sponsor_with_tee") return answer;
    return { ...answer, result: { ...result, userOperation: OTHER_FIELDS, userOpHash: bareHash } };
  };
}

/** The real KMS with changed answers. */
export const lyingKms = (change: (path: string, answer: Json) => Json) =>
  startHost(async ({ path, body }) => change(path, await post(`${urls.kms}${path}`, body || undefined)));

async function post(url: string, body: string | undefined): Promise<Json> {
  const headers = { "content-type": "application/json" };
  const response = await (body === undefined ? fetch(url) : fetch(url, { method: "POST", headers, body }));
  return (await response.json()) as Json;
}
