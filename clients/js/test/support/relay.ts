// The relay's JSON-RPC without the package.
import { urls } from "./world.js";

/** The result of a method. */
export async function askRelay<Result>(
  method: string,
  params: unknown[],
  { url = urls.rpc, headers = {} }: { url?: string; headers?: Record<string, string> } = {},
): Promise<Result> {
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body,
  });
  const { result, error } = (await response.json()) as { result?: Result; error?: { message: string } };
  if (result === undefined) throw new Error(`the relay refuses ${method}: ${error?.message}`);
  return result;
}
